import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from './built-page.ts';
import { launchChromium, skipsWithoutBrowser } from './chromium.ts';
import { type ContextOptions, openPage } from './opened-page.ts';
import { type PageServer, startPageServer } from './page-server.ts';
import type { ScriptOptions } from './scripted-mesh.ts';
import { xssPayloads } from './xss-payloads.ts';

/** What the page may weigh on its first visit; and with all that its other pages fetch: the board's thread, and what signs and checks consents. */
const scriptBytesMax = 130_000;
const allScriptBytesMax = 300_000;

const stack = new AsyncDisposableStack();
let webDirectory: string;

beforeAll(async () => {
  const built = await buildPage();
  stack.use(built);
  webDirectory = built.directory;
});
afterAll(() => stack.disposeAsync());

describe('the built page', () => {
  it('keeps to its weight, and holds nothing inline that the security policy would block', async () => {
    const files = await readdir(join(webDirectory, 'assets'));
    const scripts = files.filter((file) => file.endsWith('.js'));
    const html = await readFile(join(webDirectory, 'index.html'), 'utf8');
    const weigh = async (files: readonly string[]) => {
      const contents = await Promise.all(files.map((file) => readFile(join(webDirectory, 'assets', file))));
      return contents.reduce((sum, content) => sum + gzipSync(content).length, 0);
    };
    expect(await weigh(scripts.filter((file) => html.includes(file)))).toBeLessThanOrEqual(scriptBytesMax);
    expect(await weigh(scripts)).toBeLessThanOrEqual(allScriptBytesMax);
    expect(scripts.some((file) => file.startsWith('board-worker'))).toBe(true);
    expect(html).not.toMatch(/<style|style=|<script(?![^>]*src=)|\son\w+=/i);
  });
});

describe.skipIf(skipsWithoutBrowser())('the page in Chromium', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
    stack.defer(() => browser.close());
  });

  it('opens with the key of the address, takes it out of it, and shows hearts that move', async () => {
    await using opened = await open();
    const { page, server } = opened;
    expect(page.url()).toBe(`${server.origin}/#/`);
    const card = page.getByRole('article', { name: 'Amina Okafor' });
    const measured = card.locator('time');
    const before = await measured.textContent();
    server.mesh.advance(30);
    await expect.poll(() => measured.textContent(), { timeout: 20_000 }).not.toBe(before);
    const trace = 'Heart rate of Amina Okafor over the last two minutes';
    const picture = await pictureOf(page, trace);
    server.mesh.advance(5);
    await expect.poll(() => pictureOf(page, trace), { timeout: 20_000 }).not.toBe(picture);
    expect(opened.complaints).toEqual([]);
  });

  it('shows an alert as it comes, lets it be acknowledged by keyboard alone, and remembers it', async () => {
    await using opened = await open();
    const { page, server } = opened;
    server.mesh.advance(90);
    const card = page.getByRole('article', { name: 'Amina Okafor' });
    await card.getByText('Irregular rhythm').waitFor();
    await page.getByRole('link', { name: /^Alerts/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Alerts', level: 1 }).waitFor();
    await tabTo(page, 'Your name');
    await page.keyboard.type('Dr. Keller');
    await page.keyboard.press('Enter');
    await page.getByText('by Dr. Keller').waitFor();
    await page.reload();
    await page.getByText('by Dr. Keller').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('says that it is cut off and comes back by itself', async () => {
    await using opened = await open();
    const { page, server } = opened;
    const port = Number(new URL(server.origin).port);
    await server[Symbol.asyncDispose]();
    await page.getByRole('status').filter({ hasText: 'Offline' }).waitFor({ timeout: 60_000 });
    await page.getByText(/Shown is what was known at/).waitFor();
    await using _again = await startPageServer({ webDirectory, port });
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor({ timeout: 60_000 });
  });

  it('asks for a key without one, and again when it is refused', async () => {
    await using server = await startPageServer({ webDirectory });
    await using context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(server.origin);
    await page.getByRole('heading', { name: 'Welcome to Pulsemesh' }).waitFor();
    await page.getByLabel('Address or access key').fill('a-wrong-key');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('heading', { name: 'This access key is not accepted' }).waitFor();
    await page.getByLabel('Address or access key').fill(server.entry);
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('heading', { name: 'Hearts', level: 1 }).waitFor();
  });

  it('shows on what relay sessions run, and moves one by keyboard alone, live', async () => {
    await using opened = await open();
    const { page, server } = opened;
    await go(page, server, '#/network');
    const row = page
      .getByRole('table', { name: 'Relay sessions' })
      .getByRole('row', { name: /aggregation .*behind a firewall/ });
    await row.getByText('long poll', { exact: true }).first().waitFor();
    await row.getByText(/TLS is opened on the way/).waitFor();
    await row.getByRole('combobox', { name: /^Transport for the session of aggregation/ }).focus();
    await page.keyboard.type('WebSocket');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await row.getByRole('status').filter({ hasText: 'Runs on WebSocket.' }).waitFor();
    await row.locator('.transport', { hasText: 'WebSocket' }).waitFor();
    // Where somebody in between does not let it through, it says so and stays.
    await row.getByRole('combobox').selectOption('grpc');
    await row.getByRole('button', { name: /^Move the session of aggregation/ }).click();
    await row.getByRole('status').filter({ hasText: 'Not moved. gRPC does not pass here' }).waitFor();
    // A session that moves by itself is seen to move.
    const peer = server.mesh.network().peers.find((one) => one.isFirewalled);
    await server.mesh.moveRelay(peer?.peerId ?? '', peer?.relays[0]?.relay ?? '', 'sse');
    await row.locator('.transport', { hasText: 'server-sent events' }).waitFor();
    // Chromium complains of every answer that is a refusal.
    expect(opened.complaints).toEqual([expect.stringContaining('400')]);
  });

  it('registers the wearer of a device, and greys out a peer that dies', async () => {
    await using opened = await open();
    const { page, server } = opened;
    await go(page, server, '#/people');
    await page.getByRole('link', { name: /^Register device/ }).click();
    await page.getByLabel('Name', { exact: true }).fill('Nadia Petrova');
    await page.getByLabel('E-mail', { exact: true }).fill('nadia@example.org');
    await page.getByRole('button', { name: 'Register' }).click();
    await page.getByRole('rowheader', { name: 'Nadia Petrova' }).waitFor();
    await go(page, server, '#/network');
    await page
      .getByRole('row', { name: /^prediction alive/ })
      .first()
      .waitFor();
    server.mesh.killPeer('prediction');
    await page.getByRole('row', { name: /^prediction gone/ }).waitFor();
    await page.locator('.peer.is-gone').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('has nothing that the accessibility rules forbid, in %s', async (colorScheme) => {
    await using opened = await open({ colorScheme, reducedMotion: 'reduce' });
    const { page, server } = opened;
    server.mesh.silence(server.mesh.subjects[2] ?? '');
    server.mesh.advance(120);
    await page.getByRole('article', { name: 'Amina Okafor' }).getByText('Irregular rhythm').waitFor();
    for (const hash of pagesOf(server)) {
      await go(page, server, hash);
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
        .analyze();
      expect(violations.map(({ id, nodes }) => `${hash} ${id} ${nodes[0]?.html}`)).toEqual([]);
    }
    expect(opened.complaints).toEqual([]);
  });

  it.each([320, 390])('scrolls only downwards on a phone %i px wide', async (width) => {
    await using opened = await open({ viewport: { width, height: 700 }, isMobile: true, hasTouch: true });
    const { page, server } = opened;
    server.mesh.advance(120);
    for (const hash of pagesOf(server)) {
      await go(page, server, hash);
      expect([hash, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([hash, width]);
    }
  });

  it('shows a hundred hostile names as text and runs none of them', async () => {
    await using opened = await open({}, { names: xssPayloads, historySeconds: 1_200 });
    const { page, server } = opened;
    for (const hash of [...pagesOf(server), `#/people/${server.mesh.subjects[7]}`]) {
      await go(page, server, hash);
      if (hash === '#/') {
        await page.getByRole('button', { name: /^Show/ }).click();
        await page.getByRole('button', { name: /^Show/ }).click();
        await expect.poll(() => page.getByRole('article').count()).toBe(xssPayloads.length);
      }
      if (hash === '#/people') expect(await page.getByRole('rowheader').count()).toBe(xssPayloads.length);
    }
    expect(await page.evaluate('window.__xss')).toBeUndefined();
    expect(await page.locator('main img, main iframe, main script, main object').count()).toBe(0);
    expect(opened.complaints).toEqual([]);
  });

  /** A page of its own on a server of its own; what the browser complains of is collected. */
  async function open(options: ContextOptions = {}, script: Partial<ScriptOptions> = {}) {
    return openPage(browser, await startPageServer({ webDirectory, ...script }), options);
  }
});

function pagesOf(server: PageServer): readonly string[] {
  const subject = server.mesh.subjects[0] ?? '';
  const alertId = server.mesh.alerts()[0]?.alertId ?? '';
  return ['#/', `#/patients/${subject}`, '#/alerts', `#/alerts/${alertId}`, '#/people', '#/people/new', '#/network'];
}

async function go(page: Page, server: PageServer, hash: string): Promise<void> {
  await page.goto(`${server.origin}/${hash}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
}

/** Presses Tab until the element with that label has the focus. */
async function tabTo(page: Page, label: string): Promise<void> {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press('Tab');
    const isThere = await page
      .getByLabel(label)
      .first()
      .evaluate((node) => node.matches(':focus'));
    if (isThere) return;
  }
  throw new Error(`the keyboard does not reach "${label}"`);
}

/** What the chart with that label looks like now. */
function pictureOf(page: Page, label: string): Promise<string> {
  const canvas = page.getByRole('img', { name: label }).locator('canvas');
  // The types of a page are not those of this process.
  return canvas.evaluate((node) => (node as unknown as { toDataURL(): string }).toDataURL());
}
