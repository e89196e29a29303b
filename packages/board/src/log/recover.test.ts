import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSystemRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { createMemoryTables, openJournaledTables, openLmdbTables, type TableStore } from '@pulsemesh/store';
import { fromHex } from '@pulsemesh/wire';
import { afterAll, describe, expect, it } from 'vitest';
import { verifyConsistency } from '../merkle/verify.ts';
import { openBoardLog } from './stored-log.ts';

const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-board-'));
afterAll(() => rm(directory, { recursive: true }));

const origin = 'board.example/1';
const signer = createSigner(new Uint8Array(32).fill(5).with(0, 1));
const leafOf = (number: number) => new TextEncoder().encode(`leaf ${number}`);
const open = (store: TableStore) => openBoardLog({ store, signer, origin });

/** A store that a log of `size` leaves was closed in. */
async function storeOf(size: number): Promise<TableStore> {
  const store = createMemoryTables();
  await using log = await open(store);
  await Promise.all(Array.from({ length: size }, (_, number) => log.append(leafOf(number))));
  return store;
}

/** The entry at `place` of a table, its value changed by one bit, or taken away. */
async function damage(store: TableStore, table: string, place: number, how: 'flip' | 'remove'): Promise<void> {
  const entry = [...store.range(table)].at(place);
  if (entry === undefined) throw new Error('nothing to damage');
  const { key, value } = entry;
  const at = value.length - 3;
  const flipped = value.with(at, (value[at] as number) ^ 1);
  await store.commit([how === 'remove' ? { kind: 'remove', table, key } : { kind: 'put', table, key, value: flipped }]);
}

describe('a damaged store is refused', () => {
  it.each([
    ['a leaf of the last tile that changed', 'board/leaves', -1, 'flip', 'root-differs'],
    ['an older leaf of the last tile that changed', 'board/leaves', 513, 'flip', 'root-differs'],
    ['a full tile that changed', 'board/tiles', 1, 'flip', 'root-differs'],
    ['a full tile that is gone', 'board/tiles', 0, 'remove', 'tile-missing'],
    ['the last leaf gone', 'board/leaves', -1, 'remove', 'leaf-missing'],
    ['a leaf gone from the middle', 'board/leaves', 100, 'remove', 'leaf-missing'],
    ['a place gone', 'board/places', 7, 'remove', 'leaf-missing'],
    ['its checkpoint gone', 'board/head', 0, 'remove', 'checkpoint-missing'],
    ['a checkpoint whose signature changed', 'board/head', 0, 'flip', 'checkpoint-malformed'],
  ] as const)('for %s', async (_what, table, place, how, expected) => {
    await using store = await storeOf(600);
    await damage(store, table, place, how);
    await expect(open(store)).rejects.toMatchObject({ code: 'board-log-damaged', facts: { damage: expected } });
  });

  it('for leaves that were taken back together with their places', async () => {
    await using store = await storeOf(600);
    const [place] = [...store.range('board/places')].filter(({ value }) => Buffer.from(value).readUInt32BE(4) === 599);
    await store.commit([{ kind: 'remove', table: 'board/places', key: place?.key ?? new Uint8Array(1) }]);
    await damage(store, 'board/leaves', -1, 'remove');
    await expect(open(store)).rejects.toMatchObject({ facts: { damage: 'leaves-missing', size: 599 } });
  });

  it('for another origin, another key, or a signature that is not its own', async () => {
    await using store = await storeOf(3);
    await expect(openBoardLog({ store, signer, origin: 'board.example/2' })).rejects.toMatchObject({
      facts: { damage: 'another-origin' },
    });
    const other = createSigner(new Uint8Array(32).fill(6).with(0, 1));
    await expect(openBoardLog({ store, signer: other, origin })).rejects.toMatchObject({
      facts: { damage: 'another-key' },
    });
    const [head] = store.range('board/head');
    if (head === undefined) throw new Error('no head');
    const text = Buffer.from(head.value).toString();
    const moved = Buffer.from(text.replace('\n3\n', '\n2\n'));
    await store.commit([{ kind: 'put', table: 'board/head', key: head.key, value: moved }]);
    await expect(open(store)).rejects.toMatchObject({ facts: { damage: 'checkpoint-signature' } });
  });

  it('and once it is mended, opened', async () => {
    await using store = await storeOf(300);
    await damage(store, 'board/tiles', 0, 'flip');
    await expect(open(store)).rejects.toMatchObject({ facts: { damage: 'root-differs' } });
    await damage(store, 'board/tiles', 0, 'flip');
    await using log = await open(store);
    expect(log.checkpoint.size).toBe(300);
  });
});

describe.each(['lmdb', 'journal'])('kill -9 in the middle of appending, over and over (%s)', (engine) => {
  const writer = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
  const folder = join(directory, engine);

  /** Runs the writer and kills it after `count` acknowledged leaves; gives the whole lines it printed. */
  async function writeUntilKilled(first: number, count: number): Promise<string[][]> {
    const child = spawn(process.execPath, [writer, engine, folder, String(first)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.split('\nleaf ').length > count) child.kill('SIGKILL');
    });
    await Promise.all([ended, once(child.stdout, 'close')]);
    const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
    return lines.map((line) => line.split(' '));
  }

  it('loses no acknowledged leaf, and every checkpoint that was shown stays true', async () => {
    const places = new Map<number, number>();
    const heads = new Map<number, string>();
    let size = 0;
    for (const count of [1, 200]) {
      const before = size;
      for (const [kind, number = '', rest = ''] of await writeUntilKilled(10_000 * count, count)) {
        if (kind === 'leaf') places.set(Number(number), Number(rest));
        if (kind !== 'head') continue;
        size = Number(number);
        expect(heads.get(size) ?? rest).toBe(rest);
        heads.set(size, rest);
      }
      expect(size).toBeGreaterThan(before);
    }
    const tables = { directory: join(folder, 'tables'), journalDirectory: join(folder, 'journal') };
    await using store =
      engine === 'lmdb'
        ? await openLmdbTables(tables)
        : await openJournaledTables(tables, { random: createSystemRandom() });
    await using log = await open(store);
    const { size: newSize, root: newRoot } = log.checkpoint;
    for (const [number, index] of places) expect(log.leaf(index)).toEqual(leafOf(number));
    for (const [oldSize, root] of heads) {
      const proof = log.proveConsistency(oldSize, newSize) ?? [];
      expect(verifyConsistency({ oldSize, oldRoot: fromHex(root), newSize, newRoot, proof })).toBe(true);
    }
  });
});
