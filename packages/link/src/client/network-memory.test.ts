import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger } from '@pulsemesh/base';
import { DecodeError } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatNetworkRecords,
  type NetworkRecord,
  networkMemoryTextMax,
  networkRecordsMax,
  parseNetworkRecords,
  withRecord,
} from './network-memory.ts';
import { createStorageMemory } from './network-memory-browser.ts';
import { createFileMemory } from './network-memory-file.ts';

const record: NetworkRecord = {
  winner: 'long-poll',
  heartbeatMs: { websocket: 4_000 },
  lifetimeMs: { websocket: 60_000 },
  packetBytesMax: { 'long-poll': 65_536 },
  pollWaitMs: 7_500,
};
const key = 'ab'.repeat(16);

function warnings() {
  const codes: unknown[] = [];
  return {
    codes,
    logger: { ...silentLogger, warn: (_text: string, fields?: { code?: unknown }) => codes.push(fields?.code) },
  };
}

async function temporary() {
  const folder = await mkdtemp(path.join(tmpdir(), 'network-memory-'));
  return {
    folder,
    file: path.join(folder, 'deep', 'networks.json'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

describe('the memory of networks', () => {
  it('is there again after a restart, and leaves no draft behind', async () => {
    await using place = await temporary();
    const { logger, codes } = warnings();
    await createFileMemory(place.file, { logger }).remember(key, record);
    const again = createFileMemory(place.file, { logger });
    expect(await again.recall(key)).toEqual(record);
    expect(await again.recall('cd'.repeat(16))).toBeNull();
    expect(await readdir(path.dirname(place.file))).toEqual(['networks.json']);
    expect(codes).toEqual([]);
  });

  it('is taken as empty with a warning when it cannot be read, and works again after', async () => {
    await using place = await temporary();
    const file = path.join(place.folder, 'networks.json');
    await writeFile(file, '{"version":1,"networks":{"');
    const { logger, codes } = warnings();
    const memory = createFileMemory(file, { logger });
    expect(await memory.recall(key)).toBeNull();
    expect(codes).toEqual(['decode']);
    await memory.remember(key, record);
    expect(parseNetworkRecords(await readFile(file, 'utf8')).get(key)).toEqual(record);
  });

  it('is done without, with a warning, where nothing can be written', async () => {
    await using place = await temporary();
    const blocked = path.join(place.folder, 'blocked');
    await writeFile(blocked, '');
    const { logger, codes } = warnings();
    const memory = createFileMemory(path.join(blocked, 'networks.json'), { logger });
    await memory.remember(key, record);
    expect(codes.length).toBeGreaterThan(0);
    expect(await memory.recall(key)).toEqual(record);
  });

  it('keeps the newest and forgets the oldest past its capacity', () => {
    let records: ReturnType<typeof parseNetworkRecords> = new Map();
    const keys = Array.from({ length: networkRecordsMax + 1 }, (_, index) => index.toString(16).padStart(32, '0'));
    for (const one of keys) records = withRecord(records, one, record);
    expect([...records.keys()]).toEqual(keys.slice(1));
    expect([...withRecord(records, keys[5] ?? '', record).keys()].at(-1)).toBe(keys[5]);
  });

  it('refuses a text that is too long', () => {
    expect(() => parseNetworkRecords(' '.repeat(networkMemoryTextMax + 1))).toThrow(DecodeError);
  });

  it('brings numbers into their range, and never throws anything but DecodeError', () => {
    const wild = { ...record, winner: 'pigeon', heartbeatMs: { grpc: -1, other: 5 }, pollWaitMs: 1e9 };
    const text = formatNetworkRecords(new Map([[key, wild as unknown as NetworkRecord]]));
    const parsed = parseNetworkRecords(text).get(key);
    expect(parsed).toMatchObject({ winner: null, heartbeatMs: { grpc: 2_000 }, pollWaitMs: 55_000 });
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          parseNetworkRecords(JSON.stringify({ version: 1, networks: value }));
          parseNetworkRecords(JSON.stringify({ version: 1, networks: { [key]: value } }));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });

  it('lives in a page as far as the page may store', async () => {
    const texts = new Map<string, string>();
    const storage = {
      getItem: (name: string) => texts.get(name) ?? null,
      setItem: (name: string, text: string) => void texts.set(name, text),
    };
    await createStorageMemory(storage).remember(key, record);
    expect(await createStorageMemory(storage).recall(key)).toEqual(record);
    const forbidden = {
      getItem: () => null,
      setItem: () => {
        throw new Error('quota');
      },
    };
    const memory = createStorageMemory(forbidden);
    await memory.remember(key, record);
    expect(await memory.recall(key)).toBeNull();
  });
});
