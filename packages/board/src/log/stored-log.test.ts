import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import {
  createMemoryTables,
  StoreFailedError,
  StoreFullError,
  type TableChange,
  type TableStore,
} from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { entryBytesMax } from '../entry.ts';
import { emptyRoot, hashLeaf, hashNode } from '../merkle/hash.ts';
import { rootOf } from '../merkle/prove.ts';
import { verifyConsistency, verifyInclusion } from '../merkle/verify.ts';
import { openCheckpoint, parseCheckpoint } from '../notes/checkpoint.ts';
import { createNoteVerifier } from '../notes/keys.ts';
import { decodeBundle } from '../tiles/bundle.ts';
import { tileWidth, tileWidthAt } from '../tiles/path.ts';
import { hashesOfTile } from '../tiles/tile.ts';
import { logLimits, type SignedCheckpoint } from './board-log.ts';
import { openBoardLog } from './stored-log.ts';

const origin = 'board.example/1';
const signer = createSigner(new Uint8Array(32).fill(5).with(0, 1));
const verifier = createNoteVerifier(origin, signer.publicKey, 'ed25519');
const leafOf = (number: number) => new TextEncoder().encode(`leaf ${number}`);
const numbers = (from: number, until: number) => Array.from({ length: until - from }, (_, place) => from + place);

const open = (store: TableStore, more: { readonly leavesMax?: number } = {}) =>
  openBoardLog({ store, signer, origin, ...more });

/** A store whose commits a test can let fail, hold back, or cut the process off at. */
class FragileStore implements TableStore {
  readonly inner: TableStore;
  /** Of the commits to come, in order; `full` and `failed` change nothing, `lost` is applied and then fails. */
  readonly outcomes: ('done' | 'full' | 'failed' | 'lost')[] = [];
  gate: Promise<void> = Promise.resolve();
  commits = 0;

  constructor(inner: TableStore = createMemoryTables()) {
    this.inner = inner;
  }

  get(table: string, key: Uint8Array) {
    return this.inner.get(table, key);
  }
  range(...[table, range]: Parameters<TableStore['range']>) {
    return this.inner.range(table, range);
  }
  count(table: string) {
    return this.inner.count(table);
  }
  async commit(changes: readonly TableChange[]) {
    await this.gate;
    this.commits += 1;
    const outcome = this.outcomes.shift() ?? 'done';
    if (outcome === 'full') throw new StoreFullError('a test');
    if (outcome === 'failed') throw new StoreFailedError('a test');
    await this.inner.commit(changes);
    if (outcome === 'lost') throw new StoreFailedError('a test');
  }
  [Symbol.asyncDispose]() {
    return this.inner[Symbol.asyncDispose]();
  }
}

describe('a log', () => {
  it('begins with a signed checkpoint of no leaves, durable before it is shown', async () => {
    await using store = createMemoryTables();
    await using log = await open(store);
    expect(log.checkpoint).toMatchObject({ size: 0, root: emptyRoot });
    expect(openCheckpoint(log.checkpoint.note, [verifier]).checkpoint).toMatchObject({ origin, size: 0 });
    await log[Symbol.asyncDispose]();
    await using again = await open(store);
    expect(again.checkpoint.note).toEqual(log.checkpoint.note);
  });

  it('answers with the place of a leaf once a checkpoint has it', async () => {
    await using log = await open(createMemoryTables());
    for (const number of numbers(0, 5)) {
      const leafHash = hashLeaf(leafOf(number));
      expect(await log.append(leafOf(number))).toEqual({ index: number, leafHash, isNew: true });
      expect(log.checkpoint.size).toBe(number + 1);
      expect(log.leaf(number)).toEqual(leafOf(number));
      expect(log.indexOf(leafHash)).toBe(number);
    }
    expect(log.leaf(5)).toBeNull();
    expect(log.indexOf(hashLeaf(leafOf(5)))).toBeNull();
  });

  it('takes many callers into one commit, in order, and signs once for them', async () => {
    const store = new FragileStore();
    await using log = await open(store);
    const before = store.commits;
    const shown: number[] = [];
    using _watch = log.onCheckpoint(({ size }) => shown.push(size));
    const answers = await Promise.all(numbers(0, 600).map((number) => log.append(leafOf(number))));
    expect(answers.map(({ index }) => index)).toEqual(numbers(0, 600));
    expect(shown).toEqual([600]);
    expect(store.commits - before).toBe(2);
  });

  it('gives the same leaf its first index, waiting, being written or long since there', async () => {
    const store = new FragileStore();
    await using log = await open(store);
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    const first = log.append(leafOf(1));
    const second = log.append(leafOf(1));
    await Promise.resolve();
    const third = log.append(leafOf(1));
    gate.resolve();
    const answers = await Promise.all([first, second, third, log.append(leafOf(1))]);
    expect(answers.map(({ index, isNew }) => [index, isNew])).toEqual([
      [0, true],
      [0, false],
      [0, false],
      [0, false],
    ]);
    expect(log.checkpoint.size).toBe(1);
    expect(await log.append(leafOf(1))).toMatchObject({ index: 0, isNew: false });
  });

  it('serves the tiles, bundles and proofs of every size it has shown', async () => {
    await using log = await open(createMemoryTables());
    const sizes = [1, 255, 256, 257, 700];
    const heads = new Map<number, SignedCheckpoint>([[0, log.checkpoint]]);
    const hashes: Uint8Array[] = [];
    for (const size of sizes) {
      await Promise.all(numbers(hashes.length, size).map((number) => log.append(leafOf(number))));
      for (const number of numbers(hashes.length, size)) hashes.push(hashLeaf(leafOf(number)));
      heads.set(size, log.checkpoint);
      const served = numbers(0, Math.ceil(size / tileWidth)).flatMap((index) => {
        const width = tileWidthAt(0, index, size);
        const tile = log.tile({ level: 0, index, width });
        const bundle = log.tile({ level: 'entries', index, width });
        expect(decodeBundle(bundle as Uint8Array, width).map(hashLeaf)).toEqual(
          hashesOfTile(tile as Uint8Array, width),
        );
        return hashesOfTile(tile as Uint8Array, width);
      });
      expect(served).toEqual(hashes);
    }
    const over = log.tile({ level: 1, index: 0, width: 2 }) as Uint8Array;
    const first = { origin, ...(heads.get(256) as SignedCheckpoint) };
    expect(over.slice(0, 32)).toEqual(first.root);
    for (const [oldSize, older] of heads) {
      for (const [newSize, newer] of heads) {
        const proof = log.proveConsistency(oldSize, newSize);
        if (oldSize > newSize) expect(proof).toBeNull();
        else
          expect(
            verifyConsistency({ oldSize, oldRoot: older.root, newSize, newRoot: newer.root, proof: proof ?? [] }),
          ).toBe(true);
      }
      for (const index of [0, 1, 128, 254, 255, 256, 511, 600, 699]) {
        const proof = log.proveInclusion(index, oldSize);
        if (index >= oldSize) expect(proof).toBeNull();
        else
          expect(
            verifyInclusion({
              index,
              size: oldSize,
              leafHash: hashes[index] as Uint8Array,
              root: older.root,
              proof: proof ?? [],
            }),
          ).toBe(true);
      }
    }
  });

  it('has no tile, leaf or proof beyond its checkpoint, nor for numbers that are none', async () => {
    await using log = await open(createMemoryTables());
    await Promise.all(numbers(0, 300).map((number) => log.append(leafOf(number))));
    expect(log.tile({ level: 0, index: 1, width: 44 })).toHaveLength(44 * 32);
    for (const width of [0, 45, 256, 257, -1, 0.5]) expect(log.tile({ level: 0, index: 1, width })).toBeNull();
    for (const index of [-1, 2, 0.5, Number.NaN, 2 ** 60]) expect(log.tile({ level: 0, index, width: 1 })).toBeNull();
    expect(log.tile({ level: 63, index: 0, width: 1 })).toBeNull();
    expect(log.tile({ level: 'entries', index: 2, width: 1 })).toBeNull();
    for (const index of [-1, 300, 0.5, Number.NaN])
      expect([log.leaf(index), log.proveInclusion(index, 300)]).toEqual([null, null]);
    for (const size of [-1, 301, 0.5, Number.NaN])
      expect([log.proveInclusion(0, size), log.proveConsistency(0, size)]).toEqual([null, null]);
    expect(log.indexOf(new Uint8Array(3))).toBeNull();
  });

  it('hands out proofs that are nobody else’s memory', async () => {
    await using log = await open(createMemoryTables());
    await Promise.all(numbers(0, 4).map((number) => log.append(leafOf(number))));
    for (const hash of log.proveInclusion(0, 4) ?? []) hash.fill(0);
    const proof = log.proveInclusion(0, 4) ?? [];
    const { root } = log.checkpoint;
    expect(verifyInclusion({ index: 0, size: 4, leafHash: hashLeaf(leafOf(0)), root, proof })).toBe(true);
  });

  it('refuses leaves without bytes or too long ones, and takes the longest', async () => {
    await using log = await open(createMemoryTables());
    await expect(log.append(new Uint8Array(0))).rejects.toMatchObject({ code: 'board-leaf-refused' });
    await expect(log.append(new Uint8Array(entryBytesMax + 1))).rejects.toMatchObject({ code: 'board-leaf-refused' });
    expect(await log.append(new Uint8Array(entryBytesMax))).toMatchObject({ index: 0 });
    expect(log.tile({ level: 'entries', index: 0, width: 1 })).toHaveLength(entryBytesMax + 2);
  });

  it('refuses the leaf past its capacity and keeps the others', async () => {
    await using log = await open(createMemoryTables(), { leavesMax: 3 });
    const settled = await Promise.allSettled(numbers(0, 5).map((number) => log.append(leafOf(number))));
    expect(settled.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    await expect(log.append(leafOf(9))).rejects.toMatchObject({ code: 'board-full' });
    expect(await log.append(leafOf(2))).toMatchObject({ index: 2, isNew: false });
  });

  it('refuses what waits past its limits, by leaves and by bytes, and answers the rest', async () => {
    const store = new FragileStore();
    await using log = await open(store);
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    const waiting = [log.append(leafOf(0))];
    await Promise.resolve();
    await Promise.resolve();
    const large = (number: number) => new Uint8Array(entryBytesMax).fill(number & 0xff).with(1, number >> 8);
    const largeMax = Math.floor(logLimits.waitingBytesMax / entryBytesMax);
    for (const number of numbers(0, largeMax)) waiting.push(log.append(large(number)));
    await expect(log.append(large(largeMax))).rejects.toMatchObject({
      code: 'board-busy',
      facts: { limit: 'waitingBytesMax' },
    });
    gate.resolve();
    expect(await Promise.all(waiting)).toHaveLength(largeMax + 1);

    const next = Promise.withResolvers<void>();
    store.gate = next.promise;
    const more = [log.append(leafOf(1))];
    await Promise.resolve();
    await Promise.resolve();
    for (const number of numbers(10, 10 + logLimits.waitingLeavesMax)) more.push(log.append(leafOf(number)));
    await expect(log.append(leafOf(2))).rejects.toMatchObject({
      facts: { limit: 'waitingLeavesMax' },
      retryable: true,
    });
    next.resolve();
    await Promise.all(more);
  });

  it('stops waiting when told to, and appends all the same', async () => {
    await using log = await open(createMemoryTables());
    const controller = new AbortController();
    const appending = log.append(leafOf(0), { signal: controller.signal });
    controller.abort(new Error('no longer'));
    await expect(appending).rejects.toThrow('no longer');
    expect(await log.append(leafOf(0))).toMatchObject({ index: 0, isNew: false });
  });

  it('answers what waits when it is closed, then refuses; its store may be opened again', async () => {
    await using store = createMemoryTables();
    const log = await open(store);
    await expect(open(store)).rejects.toThrow('one log');
    const waiting = log.append(leafOf(0));
    await log[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ index: 0 });
    await expect(log.append(leafOf(1))).rejects.toMatchObject({ code: 'board-closed' });
    await log[Symbol.asyncDispose]();
    await using again = await open(store);
    expect(again.checkpoint.size).toBe(1);
  });
});

describe('a log whose disk is full', () => {
  it('refuses, shows what it showed, and goes on once there is room', async () => {
    const store = new FragileStore();
    await using log = await open(store);
    await log.append(leafOf(0));
    store.outcomes.push('full');
    await expect(log.append(leafOf(1))).rejects.toThrow(StoreFullError);
    expect(log.checkpoint.size).toBe(1);
    expect(await log.append(leafOf(2))).toMatchObject({ index: 1 });
    expect(await log.append(leafOf(1))).toMatchObject({ index: 2, isNew: true });
  });

  it('keeps a leaf whose checkpoint did not fit, and answers with its place when it is repeated', async () => {
    const store = new FragileStore();
    await using log = await open(store);
    store.outcomes.push('done', 'full');
    await expect(log.append(leafOf(0))).rejects.toThrow(StoreFullError);
    expect([log.checkpoint.size, log.leaf(0), log.indexOf(hashLeaf(leafOf(0)))]).toEqual([0, null, null]);
    expect(await log.append(leafOf(0))).toMatchObject({ index: 0, isNew: false });
    expect(log.checkpoint.size).toBe(1);
  });

  it('opens for reading though it cannot sign what is durable yet', async () => {
    const store = new FragileStore();
    {
      await using log = await open(store);
      store.outcomes.push('done', 'full');
      await expect(log.append(leafOf(0))).rejects.toThrow(StoreFullError);
    }
    store.outcomes.push('full');
    await using log = await open(store);
    expect(log.checkpoint.size).toBe(0);
    expect(await log.append(leafOf(1))).toMatchObject({ index: 1 });
    expect(log.checkpoint.size).toBe(2);
  });
});

describe('a log whose disk failed', () => {
  it('signs nothing more until it is opened again', async () => {
    const store = new FragileStore();
    const log = await open(store);
    await log.append(leafOf(0));
    store.outcomes.push('lost');
    await expect(log.append(leafOf(1))).rejects.toThrow(StoreFailedError);
    await expect(log.append(leafOf(2))).rejects.toThrow('an earlier commit');
    expect(log.checkpoint.size).toBe(1);
    await log[Symbol.asyncDispose]();
    await using again = await open(store);
    // The commit that was said to have failed had come to be durable: it is signed now, as it is.
    expect(again.checkpoint.size).toBe(2);
    expect(await again.append(leafOf(1))).toMatchObject({ index: 1, isNew: false });
  });
});

describe('a process that ends after any commit', () => {
  it('loses nothing it acknowledged, and never signs two roots for a size', async () => {
    const inner = createMemoryTables();
    const random = createSeededRandom(11);
    const rootsSigned = new Map<number, string>();
    const watched = {
      publicKey: signer.publicKey,
      sign(message: Uint8Array) {
        const { size, root } = parseCheckpoint(new TextDecoder().decode(message));
        expect(rootsSigned.get(size) ?? toHex(root)).toBe(toHex(root));
        rootsSigned.set(size, toHex(root));
        return signer.sign(message);
      },
    };
    const places = new Map<number, number>();
    let next = 0;
    let shown: SignedCheckpoint = { size: 0, root: emptyRoot, text: '', note: new Uint8Array(0) };
    for (let life = 0; life < 25; life += 1) {
      const store = new FragileStore(inner);
      // Some commits pass, with or without a disk that is full in between; then one does not happen, or is never heard of.
      for (let left = random.integer(5); left > 0; left -= 1)
        store.outcomes.push(random.integer(4) === 0 ? 'full' : 'done');
      store.outcomes.push(random.integer(2) === 0 ? 'failed' : 'lost', ...new Array<'failed'>(5).fill('failed'));
      const log = await openBoardLog({ store, signer: watched, origin }).catch(() => null);
      if (log === null) continue;
      const { size, root } = log.checkpoint;
      expect(size).toBeGreaterThanOrEqual(shown.size);
      const proof = log.proveConsistency(shown.size, size) ?? [];
      expect(verifyConsistency({ oldSize: shown.size, oldRoot: shown.root, newSize: size, newRoot: root, proof })).toBe(
        true,
      );
      for (const [number, index] of places) expect(log.leaf(index)).toEqual(leafOf(number));
      for (let burst = 0; burst < 4; burst += 1) {
        const batch = numbers(next, next + 1 + random.integer(90));
        next += batch.length;
        const answers = await Promise.allSettled(batch.map((number) => log.append(leafOf(number))));
        for (const [place, answer] of answers.entries()) {
          if (answer.status === 'fulfilled') places.set(batch[place] as number, answer.value.index);
        }
      }
      shown = log.checkpoint;
      await log[Symbol.asyncDispose]();
    }
    expect(places.size).toBeGreaterThan(200);
    expect(new Set(places.values()).size).toBe(places.size);
    await using log = await open(inner);
    const leaves = numbers(0, log.checkpoint.size).map((index) => hashLeaf(log.leaf(index) as Uint8Array));
    const naive = rootOf(leaves.length, function subtree(level, index): Uint8Array {
      return level === 0
        ? (leaves[index] as Uint8Array)
        : hashNode(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1));
    });
    expect(log.checkpoint.root).toEqual(naive);
  });
});
