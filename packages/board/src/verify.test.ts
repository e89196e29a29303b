import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createSigner } from '@pulsemesh/crypto';
import { createMemoryTables } from '@pulsemesh/store';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBoardLog } from './log/stored-log.ts';
import { formatReceipt } from './receipt/receipt.ts';
import type * as Verify from './verify.ts';
import { verifyReceipt } from './verify.ts';

const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-board-page-'));
const signer = createSigner(new Uint8Array(32).fill(5).with(0, 1));
const origin = 'board.example/1';
const leafOf = (number: number) => new TextEncoder().encode(`leaf ${number}`);
let page: typeof Verify;
let bundleBytes = 0;

// The bundle a page gets, over noble; run here, since nothing in it asks where it runs.
beforeAll(async () => {
  const input = fileURLToPath(new URL('./verify.ts', import.meta.url));
  await using bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
  const file = join(directory, 'page.mjs');
  const { output } = await bundle.write({ file, minify: true });
  expect(output.flatMap((part) => (part.type === 'chunk' ? part.imports : []))).toEqual([]);
  for (const part of output) bundleBytes += part.type === 'chunk' ? part.code.length : 0;
  page = await import(/* @vite-ignore */ pathToFileURL(file).href);
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('a page', () => {
  it('verifies a board’s receipts, bundles and history with keys alone', async () => {
    await using log = await openBoardLog({ store: createMemoryTables(), signer, origin });
    await Promise.all(Array.from({ length: 5 }, (_, number) => log.append(leafOf(number))));
    const older = log.checkpoint;
    await log.append(leafOf(5));
    const { note, size, root } = log.checkpoint;
    const policy = { board: page.createNoteVerifier(origin, signer.publicKey, 'ed25519'), witnesses: [], quorum: 0 };
    const receipt = formatReceipt({ index: 2, proof: log.proveInclusion(2, size) ?? [], checkpoint: note });

    expect(page.verifyReceipt).not.toBe(verifyReceipt);
    expect(page.verifyReceipt(receipt, leafOf(2), policy)).toMatchObject({ index: 2, checkpoint: { size: 6 } });
    expect(() => page.verifyReceipt(receipt, leafOf(3), policy)).toThrow('not-included');
    expect(page.openCheckpointUnder(note, policy).checkpoint).toMatchObject({ origin, size: 6, root });
    const proof = log.proveConsistency(older.size, size) ?? [];
    const claim = { oldSize: older.size, oldRoot: older.root, newSize: size, newRoot: root, proof };
    expect([page.verifyConsistency(claim), page.verifyConsistency({ ...claim, oldSize: 4 })]).toEqual([true, false]);
    const bundle = log.tile(page.parseTilePath('tile/entries/000.p/6'));
    expect(page.decodeBundle(bundle as Uint8Array, 6)).toEqual(
      Array.from({ length: 6 }, (_, number) => leafOf(number)),
    );
  });

  it('loads less than 100 kB for it, before compression', () => {
    expect(bundleBytes).toBeGreaterThan(0);
    expect(bundleBytes).toBeLessThan(100_000);
  });
});
