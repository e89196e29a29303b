import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables, StoreInUseError, type TableStore } from '@pulsemesh/store';
import { afterAll, describe, expect, it } from 'vitest';
import type { MailboxEngine } from '../../engine.ts';
import { inbox, message, messageIdOf, runEngineContract, texts } from '../../testing/engine-contract.ts';
import { openLmdbEngine } from './lmdb-engine.ts';
import { createTableEngine } from './table-engine.ts';

const base = await mkdtemp(join(tmpdir(), 'pulsemesh-mailboxes-'));
afterAll(() => rm(base, { recursive: true }));
let directoryCount = 0;
let directory = '';
const newDirectory = () => {
  directoryCount += 1;
  directory = join(base, `${directoryCount}`);
  return directory;
};

runEngineContract(
  { describe, it },
  {
    name: 'LMDB',
    open: ({ limits, ...dependencies }) => openLmdbEngine({ directory: newDirectory(), limits }, dependencies),
    reopen: ({ limits, ...dependencies }) => openLmdbEngine({ directory, limits }, dependencies),
    modelRuns: 5,
  },
);

/** Memory tables that outlive the engine over them. */
function lasting(store: TableStore): TableStore {
  return {
    get: store.get.bind(store),
    range: store.range.bind(store),
    count: store.count.bind(store),
    commit: store.commit.bind(store),
    async [Symbol.asyncDispose]() {},
  };
}
let tables: TableStore = createMemoryTables();

runEngineContract(
  { describe, it },
  {
    name: 'tables in memory',
    async open({ limits, ...dependencies }) {
      tables = lasting(createMemoryTables());
      return createTableEngine('memory', { limits }, { ...dependencies, store: tables });
    },
    reopen: async ({ limits, ...dependencies }) =>
      createTableEngine('memory', { limits }, { ...dependencies, store: tables }),
    modelRuns: 50,
  },
);

const dependencies = { clock: new VirtualClock(), random: createSeededRandom(1) };
const claimOne = (engine: MailboxEngine) =>
  engine.claim([{ inbox: inbox(1), owner: inbox(0x101), untilMs: Number.MAX_SAFE_INTEGER, takesStreams: false }]);

describe('the LMDB engine', () => {
  it('refuses a directory that another engine has open, and takes it once that is disposed', async () => {
    const options = { directory: newDirectory() };
    const first = await openLmdbEngine(options, dependencies);
    await expect(openLmdbEngine(options, dependencies)).rejects.toThrow(StoreInUseError);
    await first[Symbol.asyncDispose]();
    await (await openLmdbEngine(options, dependencies))[Symbol.asyncDispose]();
  });

  it('refuses to store below the reserve, reads and acknowledges on, and counts right after it all', async () => {
    let freeBytes = 2000;
    const options = { directory: newDirectory(), reserveBytes: 1000 };
    await using engine = await openLmdbEngine(options, { ...dependencies, freeBytes: async () => freeBytes });
    await claimOne(engine);
    const lost = message('lost');
    await engine.append([message('a'), message('b')]);
    freeBytes = 10;
    expect(await engine.append([lost, lost])).toEqual([
      { kind: 'refused', code: 'relay-full' },
      { kind: 'refused', code: 'relay-full' },
    ]);
    expect(await engine.claim([{ inbox: inbox(4), owner: inbox(4), untilMs: 1e15, takesStreams: false }])).toEqual([
      'relay-full',
    ]);
    expect(await texts(engine)).toEqual(['a', 'b']);
    const epoch = (await engine.position(inbox(1)))?.epoch ?? '';
    expect(await engine.ack([{ inbox: inbox(1), epoch, messages: [{ offset: 1, priority: 'normal' }] }])).toBe(1);
    expect(await engine.stats()).toEqual({ mailboxes: 1, messages: 1, bytes: 1 });
    freeBytes = 2000;
    expect(await engine.append([lost])).toMatchObject([{ kind: 'stored', isNew: true }]);
    await engine[Symbol.asyncDispose]();
    await using again = await openLmdbEngine(options, dependencies);
    expect(await again.stats()).toEqual({ mailboxes: 1, messages: 2, bytes: 5 });
  });
});

describe('the ids of an embedded mailbox', () => {
  it('are dropped by generations, also when the mailbox is gone', async () => {
    const clock = new VirtualClock();
    const store = createMemoryTables();
    const limits = { dedupCountMin: 10 };
    await using engine = createTableEngine('memory', { limits }, { ...dependencies, clock, store });
    await claimOne(engine);
    const ids = Array.from({ length: 45 }, (_, index) => message('x', { messageId: messageIdOf(1000 + index) }));
    for (const each of ids) await engine.append([each]);
    for (let round = 0; round < 8; round += 1) await engine.sweep();
    expect(store.count('id')).toBe(15);
    expect(await engine.append(ids.slice(0, 1))).toMatchObject([{ isNew: true }]);
    await clock.advance(3 * engine.limits.dedupMs);
    for (let round = 0; round < 8; round += 1) await engine.sweep();
    expect(store.count('id')).toBe(0);
    await engine.append(ids.slice(0, 5));
    await engine.release(inbox(1), inbox(0x101));
    for (let round = 0; round < 3; round += 1) await engine.sweep();
    for (const table of ['id', 'message', 'mailbox', 'claim', 'sender', 'leftover']) expect(store.count(table)).toBe(0);
  });
});
