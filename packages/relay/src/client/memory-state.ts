import { toHex } from '@pulsemesh/wire';
import type { InboxPosition, InboxState, Outbox, OutboxEntry } from './types.ts';

/** An outbox that lives as long as the object: what is not stored at a relay is lost with the process. */
export function createMemoryOutbox(): Outbox {
  const entries = new Map<string, OutboxEntry>();
  return {
    async add(entry) {
      entries.set(entry.messageId, entry);
    },
    async remove(messageId) {
      entries.delete(messageId);
    },
    entries: async () => [...entries.values()],
  };
}

/**
 * Remembers the last `countMax` messages as long as the object lives (default 100,000). After a restart, what was not acknowledged is
 * given to the handler again.
 */
export function createMemoryInboxState(countMax = 100_000): InboxState<string> {
  let newer = new Set<string>();
  let older = new Set<string>();
  const positions = new Map<string, InboxPosition>();
  return {
    isDone(messageId) {
      const mark = toHex(messageId);
      return newer.has(mark) || older.has(mark);
    },
    markOf: toHex,
    async write(mark) {
      if (newer.size >= countMax) {
        older = newer;
        newer = new Set();
      }
      newer.add(mark);
    },
    positions: async () => [...positions.values()],
    async savePosition(position) {
      positions.set(`${position.relay} ${position.inbox}`, position);
    },
  };
}
