import {
  createMemoryOnly,
  formatNetworkRecords,
  type NetworkMemory,
  type NetworkRecords,
  parseNetworkRecords,
  withRecord,
} from './network-memory.ts';

const storageName = 'pulsemesh.link.networks';

/** The part of `localStorage` that is used. */
export interface TextStorage {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
}

/** A memory in the page's `localStorage`; where that is forbidden or full, one that lasts as long as the page. */
export function createStorageMemory(storage: TextStorage | undefined): NetworkMemory {
  if (storage === undefined) return createMemoryOnly();
  const load = (): NetworkRecords => {
    try {
      return parseNetworkRecords(storage.getItem(storageName) ?? '');
    } catch {
      return new Map();
    }
  };
  return {
    recall: async (key) => load().get(key) ?? null,
    remember: async (key, record) => {
      try {
        storage.setItem(storageName, formatNetworkRecords(withRecord(load(), key, record)));
      } catch {
        // Full or forbidden: the next start races from the beginning.
      }
    },
  };
}
