import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from './built-page.ts';
import { launchChromium, skipsWithoutBrowser } from './chromium.ts';
import { type RunningDemo, startDemo } from './running-demo.ts';

/** Generous: the machine may be doing other things. The demo itself takes seconds. */
const startedWithinMs = 120_000;
const alertWithinMs = 240_000;

describe.skipIf(skipsWithoutBrowser())('the demo, seen by a person', () => {
  const stack = new AsyncDisposableStack();
  let demo: RunningDemo;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    const built = stack.use(await buildPage());
    demo = stack.use(
      await startDemo({ webDirectory: built.directory }, { signal: AbortSignal.timeout(startedWithinMs) }),
    );
    browser = await launchChromium();
    stack.defer(() => browser.close());
    page = await browser.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (/Content Security Policy/i.test(message.text())) complaints.push(message.text());
    });
  });
  afterAll(() => stack.disposeAsync());

  it('shows hearts that move', async () => {
    await page.goto(demo.entry);
    await page.getByText(/× faster than life/).waitFor();
    const measured = page.getByRole('article').first().locator('time');
    await measured.waitFor({ timeout: startedWithinMs });
    const before = await measured.textContent();
    await expect.poll(() => measured.textContent(), { timeout: 60_000 }).not.toBe(before);
    expect(await page.getByRole('article').count()).toBeGreaterThanOrEqual(4);
  });

  it('shows each role of the network at its own process', async () => {
    await page.getByRole('link', { name: 'Network' }).click();
    for (const role of [
      'bootstrap',
      'ingest',
      'storage',
      'aggregation',
      'prediction',
      'notification',
      'gateway',
      'relay',
    ]) {
      await page
        .getByRole('rowheader', { name: new RegExp(`^${role}`) })
        .first()
        .waitFor({ timeout: 60_000 });
    }
    const sessions = page.getByRole('table', { name: 'Relay sessions' });
    const row = sessions.getByRole('row', { name: /behind a firewall/ });
    await row.getByRole('combobox').selectOption('short-poll');
    await row.getByRole('button', { name: /^Move/ }).click();
    await row.locator('.transport', { hasText: 'short poll' }).waitFor({ timeout: 60_000 });
    await page.getByRole('link', { name: 'Hearts' }).click();
  });

  it('shows an alert as it comes, and its acknowledgement sticks after a reload', async () => {
    await page.getByText('Irregular rhythm', { exact: true }).first().waitFor({ timeout: alertWithinMs });
    await page.getByRole('link', { name: /^Alerts/ }).focus();
    await page.keyboard.press('Enter');
    const name = page.getByLabel('Your name').first();
    await name.focus();
    await page.keyboard.type('Dr. Keller');
    await page.keyboard.press('Enter');
    await page.getByText('by Dr. Keller').first().waitFor();
    await page.reload();
    await page.getByText('by Dr. Keller').first().waitFor();
    expect(complaints).toEqual([]);
  });
});
