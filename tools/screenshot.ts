import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Browser } from 'playwright-core';
import { buildPage } from '../tests/browser/built-page.ts';
import { launchChromium } from '../tests/browser/chromium.ts';
import { startDemo } from '../tests/browser/running-demo.ts';

const help = `Takes the pictures of the README from a running demo, once an alert is on the page.

  node tools/screenshot.ts [--url ADDRESS] [--recordings DIR] [--out DIR]

  --url         the address that a running demo printed, with its #token=…; starts a demo of its own without
  --recordings  recordings for that demo; generated hearts without
  --out         where to write, default docs/images
`;

/** How long the pictures may wait for an alert. */
const alertWithinMs = 240_000;

const shots = [
  { file: 'page.png', hash: '#/', width: 1280, height: 860, colorScheme: 'light', scale: 1.5 },
  { file: 'page-dark.png', hash: '#/', width: 1280, height: 860, colorScheme: 'dark', scale: 1.5 },
  { file: 'page-phone.png', hash: '#/', width: 390, height: 844, colorScheme: 'light', scale: 2 },
  { file: 'network.png', hash: '#/network', width: 1280, height: 860, colorScheme: 'light', scale: 1.5 },
] as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      recordings: { type: 'string' },
      out: { type: 'string', default: fileURLToPath(new URL('../docs/images', import.meta.url)) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  await using stack = new AsyncDisposableStack();
  let entry = values.url;
  if (entry === undefined) {
    const built = stack.use(await buildPage());
    const recordings = values.recordings === undefined ? {} : { recordings: values.recordings };
    const wait = { signal: AbortSignal.timeout(120_000) };
    entry = stack.use(await startDemo({ webDirectory: built.directory, ...recordings }, wait)).entry;
  }
  const browser = await launchChromium();
  stack.defer(() => browser.close());
  await waitForAlert(browser, entry);
  await mkdir(values.out, { recursive: true });
  for (const shot of shots) await take(browser, entry, shot, values.out);
}

/** Waits on the page itself: what it shows is what the pictures are of. */
async function waitForAlert(browser: Browser, entry: string): Promise<void> {
  const page = await browser.newPage();
  await page.goto(entry);
  await page.getByText('Irregular rhythm', { exact: true }).first().waitFor({ timeout: alertWithinMs });
  await page.close();
}

async function take(browser: Browser, entry: string, shot: (typeof shots)[number], out: string): Promise<void> {
  const { file, hash, width, height, colorScheme, scale } = shot;
  const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: scale, colorScheme });
  const page = await context.newPage();
  await page.goto(entry);
  await page.getByText('bpm').first().waitFor();
  await page.goto(`${new URL(entry).origin}/${hash}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  // The history of every heart has been asked for and drawn when the network is quiet but for the live stream.
  await page.getByRole('img').first().waitFor();
  await page.waitForTimeout(2_000);
  await page.screenshot({ path: join(out, file) });
  process.stdout.write(`${join(out, file)}\n`);
  await context.close();
}

await main();
