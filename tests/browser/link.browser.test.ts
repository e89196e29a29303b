import { readFile } from 'node:fs/promises';
import type { InboxId } from '@pulsemesh/relay';
import { toHex } from '@pulsemesh/wire';
import type { Browser, JSHandle, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundlePage } from '../../tools/pack.ts';
import { type HomeAgent, type RelayWorld, startRelayWorld } from '../clients/relay-world.ts';
import { launchChromium, skipsWithoutBrowser } from './chromium.ts';

/** What `link-page.js` gives. */
interface PageAgent {
  readonly address: InboxId;
  readonly received: string[];
  status(): { readonly transport: string; readonly sessions: number };
  use(transport: string): Promise<void>;
  send(to: string, text: string, count: number): Promise<void>;
  request(to: string, name: string, text: string): Promise<string>;
  stop(): Promise<void>;
}

interface PageGlobals {
  startAgent(options: { server: string; transports: string[] }): Promise<PageAgent>;
}

const transports = ['websocket', 'stream', 'sse', 'long-poll', 'short-poll'];
const numbered = (text: string, count: number) => Array.from({ length: count }, (_, index) => `${text} ${index}`);

const file = (path: string) => readFile(new URL(path, import.meta.url), 'utf8');
const securityPolicy = "default-src 'self'";

/** Serves files from memory, on the relay's own port. */
function serveFiles(prefix: string, files: Readonly<Record<string, string>>) {
  return (request: Request) => {
    const name = new URL(request.url).pathname.slice(prefix.length + 1);
    const body = files[name];
    if (body === undefined) return new Response(null, { status: 404 });
    const type = name.endsWith('.js') ? 'text/javascript' : 'text/html';
    return new Response(body, { headers: { 'content-type': type, 'content-security-policy': securityPolicy } });
  };
}

describe.skipIf(skipsWithoutBrowser())('a relay from a page without a bundler', () => {
  const stack = new AsyncDisposableStack();
  let world: RelayWorld;
  let home: HomeAgent;
  let browser: Browser;

  beforeAll(async () => {
    const built = {
      'index.html': '<!doctype html><title>link</title><script type="module" src="./page.js"></script>',
      'page.js': await file('./link-page.js'),
      'client.js': await bundlePage('relay'),
    };
    const example = {
      'index.html': await file('../../examples/browser-link/index.html'),
      'page.js': await file('../../examples/browser-link/page.js'),
      'link.js': await file('../../examples/browser-link/link.js'),
    };
    const http = { '/built': serveFiles('/built', built), '/example': serveFiles('/example', example) };
    world = stack.use(await startRelayWorld({ hasTls: false, http }));
    home = await world.connectHome();
    browser = await launchChromium();
    stack.defer(() => browser.close());
  });
  afterAll(() => stack.disposeAsync());

  async function openPage(path: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${world.url}${path}`);
    return page;
  }

  async function startAgent(page: Page, wanted: string[]): Promise<JSHandle<PageAgent>> {
    await page.waitForFunction(() => 'startAgent' in globalThis);
    const options = { server: world.identity.peerId, transports: wanted };
    return page.evaluateHandle((own) => (globalThis as unknown as PageGlobals).startAgent(own), options);
  }

  async function exchange(page: Page, agent: JSHandle<PageAgent>, name: string, count: number): Promise<void> {
    const address = await agent.evaluate((own) => own.address);
    const [before, pageBefore] = [home.received.length, await agent.evaluate((own) => own.received.length)];
    const sending = agent.evaluate((own, [to, text, many]) => own.send(to, text, many), [
      home.client.address,
      name,
      count,
    ] as const);
    for (const text of numbered(`to ${name}`, count))
      await home.client.raw.send([address], new TextEncoder().encode(text));
    await sending;
    await home.receivedCount(before + count);
    expect(home.received.slice(before)).toEqual(numbered(name, count));
    const all = pageBefore + count;
    await page.waitForFunction(([own, many]) => own.received.length >= many, [agent, all] as const);
    const received = await agent.evaluate((own, from) => own.received.slice(from), pageBefore);
    expect(received).toEqual(numbered(`to ${name}`, count));
  }

  it.each(transports)('exchanges messages and asks over %s', async (transport) => {
    const page = await openPage('/built/index.html');
    const agent = await startAgent(page, [transport]);
    expect(await agent.evaluate((own) => own.status())).toEqual({ transport, sessions: 1 });
    await exchange(page, agent, transport, 50);
    const question = [home.client.address, 'upper', 'ward 7'] as const;
    expect(await agent.evaluate((own, [to, name, text]) => own.request(to, name, text), question)).toBe('WARD 7');
    await agent.evaluate((own) => own.stop());
    await page.close();
  });

  it('moves from transport to transport while messages are under way, and loses, doubles, reorders none', async () => {
    const page = await openPage('/built/index.html');
    const agent = await startAgent(page, transports);
    const exchanging = exchange(page, agent, 'moving', 400);
    for (const transport of ['long-poll', 'stream', 'sse', 'websocket']) {
      await agent.evaluate((own, wanted) => own.use(wanted), transport);
      expect(await agent.evaluate((own) => own.status())).toEqual({ transport, sessions: 1 });
    }
    await exchanging;
    await agent.evaluate((own) => own.stop());
    await page.close();
  });

  it('needs no library at all: the page written by hand has its question answered', async () => {
    const page = await openPage('/example/index.html');
    const status = page.getByRole('status');
    await page.getByLabel("The relay's key").fill(toHex(world.identity.publicKey));
    await page.getByLabel('Ask the agent').fill(home.client.address);
    await page.getByLabel('this:').fill('by hand');
    await page.getByRole('button', { name: 'Ask' }).click();
    await status.filter({ hasText: 'BY HAND' }).waitFor();
    await page.getByLabel("The relay's key").fill('00'.repeat(32));
    await page.getByRole('button', { name: 'Ask' }).click();
    await status.filter({ hasText: 'another relay than the one expected' }).waitFor();
    await page.close();
  });
});
