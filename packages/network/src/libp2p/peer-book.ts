import { mkdir } from 'node:fs/promises';
import { type Clock, errorMessage, type Logger, startTicker } from '@pulsemesh/base';
import { MemoryDatastore } from 'datastore-core';
import { LevelDatastore } from 'datastore-level';
import { Key } from 'interface-datastore';
import type { Libp2pInit } from 'libp2p';

/** How often addresses that changed go to the disk: a crash forgets so much of what was heard of others. */
export const writeBackMs = 15_000;

const peersPrefix = '/peers';
const levelLimits = { cacheSize: 256 * 1024, writeBufferSize: 256 * 1024, maxOpenFiles: 64 };

/** libp2p's datastore, kept in memory, of which the addresses of peers survive a restart. */
export interface PeerBook {
  readonly datastore: NonNullable<Libp2pInit['datastore']>;
  /** Writes what changed and closes the files; after the node was stopped. */
  close(): Promise<void>;
}

/**
 * Opens the peer book in `directory`. libp2p reads and merges a peer's entry with nearly every message of the DHT, so it
 * does that in memory; provider records are not kept at all, because what this node provides it says anew, or no longer.
 * Where the disk does not play along it is memory alone, and a warning.
 */
export async function openPeerBook(
  directory: string,
  dependencies: { readonly clock: Clock; readonly logger: Logger },
): Promise<PeerBook> {
  const { clock, logger } = dependencies;
  const warn = (error: unknown) =>
    logger.warn('the peer store cannot be used; addresses will not survive a restart', { text: errorMessage(error) });
  const datastore = new MemoryDatastore();
  const level = new LevelDatastore(directory, levelLimits);
  const saved = new Map<string, Uint8Array>();
  try {
    await mkdir(directory, { recursive: true });
    await level.open();
    for await (const { key, value } of level.query({ prefix: peersPrefix })) {
      saved.set(key.toString(), value);
      await datastore.put(key, value);
    }
  } catch (error) {
    warn(error);
    return { datastore, close: async () => {} };
  }
  const ticker = startTicker(clock, writeBackMs, () => writeBack(datastore, level, saved), warn);
  return {
    datastore,
    async close() {
      ticker.stop();
      await writeBack(datastore, level, saved).catch(warn);
      await level.close();
    },
  };
}

/** Puts what changed since the last time, and removes what is gone, in one batch. */
async function writeBack(
  datastore: MemoryDatastore,
  level: LevelDatastore,
  saved: Map<string, Uint8Array>,
): Promise<void> {
  const batch = level.batch();
  const gone = new Set(saved.keys());
  const changed: [string, Uint8Array][] = [];
  for await (const { key, value } of datastore.query({ prefix: peersPrefix })) {
    const name = key.toString();
    gone.delete(name);
    if (saved.get(name) === value) continue;
    batch.put(key, value);
    changed.push([name, value]);
  }
  if (changed.length === 0 && gone.size === 0) return;
  for (const name of gone) batch.delete(new Key(name));
  await batch.commit();
  for (const [name, value] of changed) saved.set(name, value);
  for (const name of gone) saved.delete(name);
}
