import { readFile } from 'node:fs/promises';
import AxeBuilder from '@axe-core/playwright';
import { entryIdOf } from '@pulsemesh/board';
import { parseEvidence, verifyEvidence } from '@pulsemesh/board/client';
import { parseVerifierKey, verifyReceipt } from '@pulsemesh/board/verify';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announcement, leavesOfRun, testPlace } from '../../apps/web/src/board/testing-board.ts';
import { startBoardServer } from './board-server.ts';
import { buildPage } from './built-page.ts';
import { launchChromium, skipsWithoutBrowser } from './chromium.ts';
import { type ContextOptions, openPage } from './opened-page.ts';
import { type PageServer, startPageServer } from './page-server.ts';
import { xssPayloads } from './xss-payloads.ts';

const stack = new AsyncDisposableStack();
let webDirectory: string;
let run: readonly Uint8Array[];

beforeAll(async () => {
  if (skipsWithoutBrowser()) return;
  const built = stack.use(await buildPage());
  webDirectory = built.directory;
  run = await leavesOfRun(Date.UTC(2026, 2, 4, 9));
});
afterAll(() => stack.disposeAsync());

describe.skipIf(skipsWithoutBrowser())('the board in Chromium', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
    stack.defer(() => browser.close());
  });

  it('is verified in the browser’s own thread, under the page’s security policy, and shows what is new', async () => {
    await using opened = await open(run);
    const { page, server, board } = opened;
    await go(page, server, '#/board');
    await page.getByText(/^Verified in this browser/).waitFor();
    expect(page.workers()).toHaveLength(1);
    await page.getByText(/countersigned by.*witness\.example\/1/).waitFor();
    const rows = page.getByRole('table', { name: 'Entries, newest first' }).getByRole('rowheader');
    expect(await rows.count()).toBe(run.length);
    await board.append([announcement('Fresh from the press')]);
    await page.getByRole('link', { name: 'Fresh from the press' }).waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('proves an entry by one press, and the receipt it gives verifies elsewhere', async () => {
    await using opened = await open(run);
    const { page, server } = opened;
    await go(page, server, `#/board/${entryIdOf(run[3] as Uint8Array)}`);
    await page.getByRole('button', { name: 'Fetch and verify' }).click();
    await page.getByText('The receipt is genuine.').waitFor();
    await page.getByText(`Included at place 3 of ${run.length} entries`).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download receipt' }).click(),
    ]);
    const receipt = await readFile(await download.path());
    const policy = {
      board: parseVerifierKey(testPlace.key),
      witnesses: testPlace.witnesses.map(parseVerifierKey),
      quorum: testPlace.quorum,
    };
    expect(verifyReceipt(receipt, run[3] as Uint8Array, policy).index).toBe(3);
    // The same file, given back: checked without the board, and refused once a byte is another.
    await opened.stopBoard();
    await go(page, server, '#/board');
    await page.getByLabel('Or paste its text').fill(receipt.toString());
    await page.getByRole('button', { name: 'Check the text' }).click();
    await page.getByText('The receipt is genuine.').waitFor();
    await page.getByLabel('Or paste its text').fill(receipt.toString().replace(`\n${run.length}\n`, '\n99\n'));
    await page.getByRole('button', { name: 'Check the text' }).click();
    await page.getByText('This receipt proves nothing.').waitFor();
  });

  it('is shown as a liar when it shows another history, with evidence that a third party can check', async () => {
    await using opened = await open(run);
    const { page, server, board } = opened;
    await go(page, server, '#/board');
    await page.getByText(/^Verified in this browser/).waitFor();
    await board.lie(2, announcement('It was never like that'));
    const alert = page.getByRole('alert').filter({ hasText: 'This board showed something else before' });
    // While it is open, or when it is opened again.
    await page.reload();
    await alert.waitFor();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download the evidence' }).click(),
    ]);
    const { evidence } = parseEvidence(await readFile(await download.path(), 'utf8'));
    expect(verifyEvidence(evidence, parseVerifierKey(testPlace.key)).origin).toBe('board.test/memory');
    await go(page, server, '#/learning');
    await alert.waitFor();
  });

  it('shows a finished task: rounds, budget, result by site, findings, and the trail to each receipt', async () => {
    await using opened = await open(run);
    const { page, server } = opened;
    await go(page, server, '#/learning');
    await page.getByRole('link', { name: 'Rhythm from three hospitals' }).click();
    await page.getByRole('heading', { name: 'Rhythm from three hospitals', level: 1 }).waitFor();
    const results = page.getByRole('table', { name: 'The model at each site' });
    await results.getByRole('row', { name: /North hospital.*AUC 0\.941.*0\.031 better/ }).waitFor();
    await page.getByText('Nothing is wrong with this run, as far as the board shows it.').waitFor();
    await page.getByRole('meter', { name: 'Privacy budget spent' }).first().waitFor();
    await page.getByRole('link', { name: /^model published/ }).click();
    await page.getByRole('button', { name: 'Fetch and verify' }).click();
    await page.getByText('The receipt is genuine.').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('reads a board of thousands without the page standing still', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => announcement(`Notice ${index + 1}`));
    await using opened = await open(many);
    const { page, server } = opened;
    await go(page, server, '#/board');
    const longestMs = page.evaluate(longestTaskUntilVerified);
    await page.getByText(/^Verified in this browser/).waitFor({ timeout: 120_000 });
    await page.getByRole('button', { name: 'Oldest' }).click();
    await page.getByRole('link', { name: 'Notice 1', exact: true }).waitFor();
    process.stderr.write(`longest task of the page while 2,000 entries were verified: ${await longestMs} ms\n`);
    expect(opened.complaints).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('has nothing that the accessibility rules forbid, in %s', async (colorScheme) => {
    await using opened = await open(run, { colorScheme, reducedMotion: 'reduce' });
    const { page, server } = opened;
    for (const hash of pagesOf(run)) {
      await go(page, server, hash);
      await page.getByText(/^Verified in this browser/).waitFor();
      await openEverything(page);
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
        .analyze();
      expect(violations.map(({ id, nodes }) => `${hash} ${id} ${nodes[0]?.html}`)).toEqual([]);
    }
    expect(opened.complaints).toEqual([]);
  });

  it.each([320, 375])('scrolls only downwards on a phone %i px wide', async (width) => {
    await using opened = await open(run, { viewport: { width, height: 700 }, isMobile: true, hasTouch: true });
    const { page, server } = opened;
    for (const hash of pagesOf(run)) {
      await go(page, server, hash);
      await page.getByText(/^Verified in this browser/).waitFor();
      await openEverything(page);
      expect([hash, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([hash, width]);
    }
  });

  it('shows hostile titles as text and runs none of them', async () => {
    await using opened = await open(xssPayloads.slice(0, 40).map((title) => announcement(title.trim())));
    const { page, server } = opened;
    await go(page, server, '#/board');
    await page.getByText(/^Verified in this browser/).waitFor();
    expect(await page.getByRole('rowheader').count()).toBe(40);
    expect(await page.evaluate('window.__xss')).toBeUndefined();
    expect(await page.locator('main img, main iframe, main script, main object').count()).toBe(0);
    expect(opened.complaints).toEqual([]);
  });

  async function open(leaves: readonly Uint8Array[], options: ContextOptions = {}) {
    const boardServer = await startBoardServer(leaves);
    const server = await startPageServer({ webDirectory, board: boardServer.source });
    const opened = await openPage(browser, server, { acceptDownloads: true, ...options });
    return {
      ...opened,
      board: boardServer.board,
      stopBoard: () => boardServer[Symbol.asyncDispose](),
      async [Symbol.asyncDispose]() {
        await opened[Symbol.asyncDispose]();
        await boardServer[Symbol.asyncDispose]();
      },
    };
  }
});

function pagesOf(leaves: readonly Uint8Array[]): readonly string[] {
  const [task] = leaves.map(entryIdOf);
  return ['#/board', `#/board/${task}`, '#/learning', `#/learning/${task}`];
}

async function go(page: Page, server: PageServer, hash: string): Promise<void> {
  await page.goto(`${server.origin}/${hash}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
}

async function openEverything(page: Page): Promise<void> {
  for (const summary of await page.locator('summary').all()) await summary.click();
  const receipt = page.getByRole('button', { name: 'Fetch and verify' });
  if ((await receipt.count()) === 0) return;
  await receipt.click();
  await page.getByText('The receipt is genuine.').waitFor();
}

/** Runs in the page: the longest task, in milliseconds, until the board is verified. */
const longestTaskUntilVerified = `new Promise((resolve) => {
  let longest = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
  });
  observer.observe({ type: 'longtask', buffered: false });
  const look = () => {
    if (!document.querySelector('.board-fresh.is-good')) return setTimeout(look, 50);
    observer.disconnect();
    resolve(Math.round(longest));
  };
  look();
})`;
