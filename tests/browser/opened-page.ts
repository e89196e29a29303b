import type { Browser, Page } from 'playwright-core';
import type { PageServer } from './page-server.ts';

export type ContextOptions = NonNullable<Parameters<Browser['newContext']>[0]>;

/** A page of its own on a server of its own, with hearts on it. Disposing closes both. */
export interface OpenedPage extends AsyncDisposable {
  readonly server: PageServer;
  readonly page: Page;
  /** What the browser complained of: errors and warnings of its console, and of the page. */
  readonly complaints: readonly string[];
}

/** Opens the page that the server serves and waits until a heart is on it. */
export async function openPage(
  browser: Browser,
  server: PageServer,
  options: ContextOptions = {},
): Promise<OpenedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(server.entry);
  await page.getByText('bpm').first().waitFor();
  return {
    server,
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      await context.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
