import { mkdtemp, readdir, readFile, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentMessage, MessageFolder, storedAt } from './agent-inbox.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-inbox-'));
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

const message = {
  messageId: new Uint8Array(16).fill(7),
  storedMs: Date.UTC(2026, 1, 3, 4, 5, 6),
  bytes: Uint8Array.of(1, 2, 3),
  from: { publicKey: new Uint8Array(32).fill(1) },
} as unknown as AgentMessage; // all that a folder uses
const mark = [{ kind: 'put', table: 'done', key: message.messageId, value: Uint8Array.of(1) }] as const;
const isDone = (store: TableStore) => store.get('done', message.messageId) !== undefined;

/** The process dies in the commit of this number: before it, or after it. */
function dying(store: TableStore, at: number, when: 'before' | 'after'): TableStore {
  let count = 0;
  return Object.assign(Object.create(store) as TableStore, {
    get: store.get.bind(store),
    range: store.range.bind(store),
    async commit(changes: Parameters<TableStore['commit']>[0]) {
      count += 1;
      if (count < at) return store.commit(changes);
      if (count === at && when === 'after') await store.commit(changes);
      throw new Error('killed');
    },
  });
}

describe('a folder of messages', () => {
  it('names a file by time, sender and id, and leaves nothing beside it', async () => {
    await using store = createMemoryTables();
    const folder = new MessageFolder(directory, store);
    expect(await folder.finish()).toEqual([]);
    const file = await folder.put(message, mark);
    expect(file).toMatch(/20260203T040506\.000Z-12D3KooW\w+-(07){16}$/);
    expect([...(await readFile(file))]).toEqual([1, 2, 3]);
    expect(await readdir(directory)).toHaveLength(1);
    expect(isDone(store)).toBe(true);
    expect(await folder.finish()).toEqual([]);
  });

  it.each([
    [1, 'before'],
    [1, 'after'],
    [2, 'before'],
    [2, 'after'],
  ] as const)('gives a message out once when killed at commit %i, %s it', async (at, when) => {
    await using store = createMemoryTables();
    await expect(new MessageFolder(directory, dying(store, at, when)).put(message, mark)).rejects.toThrow('killed');
    let seen = 0;
    const take = async () => {
      const files = (await readdir(directory)).filter((name) => !name.startsWith('.'));
      seen += files.length;
      for (const file of files) await unlink(join(directory, file));
    };
    // Somebody takes files away as they come.
    await take();
    const folder = new MessageFolder(directory, store);
    await folder.finish();
    await take();
    if (!isDone(store)) await folder.put(message, mark); // the relay has it still
    await take();
    await folder.finish();
    await take();
    expect(seen).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  });

  it('finishes in the folder where it was begun', async () => {
    await using store = createMemoryTables();
    await expect(new MessageFolder(directory, dying(store, 1, 'after')).put(message, mark)).rejects.toThrow('killed');
    expect(await new MessageFolder(null, store).finish()).toEqual([expect.stringContaining(directory)]);
  });

  it('does not believe a relay every time', () => {
    expect([Number.MAX_SAFE_INTEGER, -1, Number.NaN].map(storedAt)).toEqual(Array(3).fill('1970-01-01T00:00:00.000Z'));
  });
});
