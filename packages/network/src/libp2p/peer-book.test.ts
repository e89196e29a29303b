import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LogFields, type Logger, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { Key } from 'interface-datastore';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openPeerBook, writeBackMs } from './peer-book.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-peer-book-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const peer = new Key('/peers/one');
const record = new Key('/dht/provider/one');

it('keeps addresses over a restart, and forgets provider records', async () => {
  const clock = new VirtualClock();
  const first = await openPeerBook(directory, { clock, logger: silentLogger });
  await first.datastore.put(peer, Uint8Array.of(1));
  await first.datastore.put(record, Uint8Array.of(2));
  await first.close();
  const second = await openPeerBook(directory, { clock, logger: silentLogger });
  expect([...(await second.datastore.get(peer))]).toEqual([1]);
  expect(await second.datastore.has(record)).toBe(false);
  await second.datastore.delete(peer);
  await second.close();
  const third = await openPeerBook(directory, { clock, logger: silentLogger });
  expect(await third.datastore.has(peer)).toBe(false);
  await third.close();
});

it('writes back by itself now and then, and nothing once it is closed', async () => {
  const clock = new VirtualClock();
  const book = await openPeerBook(directory, { clock, logger: silentLogger });
  await book.datastore.put(peer, Uint8Array.of(1));
  await clock.advance(writeBackMs);
  await book.close();
  expect(clock.pendingCount).toBe(0);
});

it('goes on in memory, with a warning, where the directory cannot be used', async () => {
  const file = join(directory, 'a-file');
  await writeFile(file, '');
  const warnings: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (_message, fields) => void warnings.push(fields ?? {}) };
  const book = await openPeerBook(file, { clock: new VirtualClock(), logger });
  await book.datastore.put(peer, Uint8Array.of(1));
  expect(await book.datastore.get(peer)).toEqual(Uint8Array.of(1));
  expect(warnings).toHaveLength(1);
  await book.close();
});
