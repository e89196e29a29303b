import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { rolldown } from 'rolldown';
import type { ReceiptsToVerify } from './receipts.ts';

/** What the page verifies with: the module it loads. */
type Verify = typeof import('@pulsemesh/board/verify');

/** Receipts verified a second in a Chromium, once a round, by the bundle that pages get; null where there is no browser. */
export async function verifiedPerSecondInPage(
  { keys, receipts }: ReceiptsToVerify,
  options: { readonly rounds: number; readonly forMs: number },
): Promise<readonly number[] | null> {
  const executablePath = process.env['PULSEMESH_CHROMIUM'] ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) return null;
  await using stack = new AsyncDisposableStack();
  const url = await serveModule(stack, await bundleVerifier());
  // The sandbox refuses to run as root.
  const args = ['--disable-gpu', '--disable-quic', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
  const browser = await chromium.launch({ executablePath, args });
  stack.defer(() => browser.close());
  const page = await browser.newPage();
  await page.goto(url);
  const given = receipts.map(({ receipt, leaf }) => ({ receipt: [...receipt], leaf: [...leaf] }));
  return await page.evaluate(measureInPage, { keys, given, ...options });
}

/** Runs in the page: nothing of this module is there. */
async function measureInPage(input: {
  readonly keys: { readonly board: string; readonly witnesses: readonly string[] };
  readonly given: readonly { readonly receipt: readonly number[]; readonly leaf: readonly number[] }[];
  readonly rounds: number;
  readonly forMs: number;
}): Promise<number[]> {
  const module = '/verify.js';
  const verify = (await import(/* @vite-ignore */ module)) as Verify;
  const witnesses = input.keys.witnesses.map(verify.parseVerifierKey);
  const policy = { board: verify.parseVerifierKey(input.keys.board), witnesses, quorum: 2 };
  const receipts = input.given.map((one) => ({
    receipt: Uint8Array.from(one.receipt),
    leaf: Uint8Array.from(one.leaf),
  }));
  const rates: number[] = [];
  for (let round = 0; round <= input.rounds; round += 1) {
    const startMs = performance.now();
    let count = 0;
    for (; performance.now() - startMs < input.forMs; count += 1) {
      const { receipt, leaf } = receipts[count % receipts.length] as (typeof receipts)[number];
      verify.verifyReceipt(receipt, leaf, policy);
    }
    // The first round warms up.
    if (round > 0) rates.push((count * 1000) / (performance.now() - startMs));
  }
  return rates;
}

/** The verifier as a page gets it: one module. */
async function bundleVerifier(): Promise<string> {
  const input = fileURLToPath(import.meta.resolve('@pulsemesh/board/verify'));
  await using bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
  const { output } = await bundle.generate({ format: 'esm', minify: true, codeSplitting: false });
  return output[0].code;
}

async function serveModule(stack: AsyncDisposableStack, code: string): Promise<string> {
  const server = createServer((request, response) => {
    const isModule = request.url === '/verify.js';
    response.setHeader('content-type', isModule ? 'text/javascript' : 'text/html');
    response.end(isModule ? code : '<!doctype html><title>board</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`; // it listens on TCP
}
