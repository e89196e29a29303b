import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { errorCode, type Logger } from '@pulsemesh/base';
import {
  formatNetworkRecords,
  type NetworkMemory,
  type NetworkRecords,
  parseNetworkRecords,
  withRecord,
} from './network-memory.ts';

/**
 * A memory in a small JSON file, replaced as a whole. One that cannot be read counts as empty, and one that cannot be written
 * is done without, each with a warning.
 */
export function createFileMemory(file: string, deps: { readonly logger: Logger }): NetworkMemory {
  let records: Promise<NetworkRecords> | null = null;
  let writing: Promise<void> = Promise.resolve();
  const load = () => {
    records ??= read(file, deps.logger);
    return records;
  };
  return {
    recall: async (key) => (await load()).get(key) ?? null,
    remember(key, record) {
      writing = writing.then(async () => {
        const next = withRecord(await load(), key, record);
        records = Promise.resolve(next);
        await write(file, formatNetworkRecords(next), deps.logger);
      });
      return writing;
    },
  };
}

async function read(file: string, logger: Logger): Promise<NetworkRecords> {
  try {
    return parseNetworkRecords(await readFile(file, 'utf8'));
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOENT') logger.warn('the memory of networks cannot be read and is taken as empty', { code });
    return new Map();
  }
}

async function write(file: string, text: string, logger: Logger): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (error) {
    logger.warn('the memory of networks cannot be written', { code: errorCode(error) });
  }
}

/** What tells one local network from another: the networks this machine has addresses in. Hashed before it is kept. */
export function localNetworkHint(): string {
  const networks = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal }) => !internal).map(({ cidr, netmask }) => `${prefixOf(cidr)}/${netmask}`),
  );
  return [...new Set(networks)].sort().join(' ');
}

// The first half of the address names the network well enough, and does not change with each lease.
function prefixOf(cidr: string | null): string {
  const address = (cidr ?? '').split('/')[0] ?? '';
  return address.includes(':') ? address.split(':').slice(0, 4).join(':') : address.split('.').slice(0, 3).join('.');
}
