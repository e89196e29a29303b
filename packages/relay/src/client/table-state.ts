import type { Clock } from '@pulsemesh/base';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, fromHex, toHex } from '@pulsemesh/wire';
import { inboxBytes, parseInboxId } from '../inbox-id.ts';
import type { InboxPosition, InboxState, Outbox, OutboxEntry } from './types.ts';

/** An outbox in a table: what `send` took is sent, whatever crashes. Envelopes in it are sealed already. */
export function createTableOutbox(store: TableStore, table = 'outbox'): Outbox {
  const keys = new Map<string, Uint8Array>();
  let next = 0;
  const keyOf = (number: number) => {
    const key = new Uint8Array(8);
    new DataView(key.buffer).setBigUint64(0, BigInt(number));
    return key;
  };
  for (const { key } of store.range(table, { limit: 1, isReverse: true })) {
    next = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(0)) + 1;
  }
  return {
    async add(entry) {
      const key = keyOf(next);
      next += 1;
      keys.set(entry.messageId, key);
      try {
        await store.commit([{ kind: 'put', table, key, value: encodeEntry(entry) }]);
      } catch (error) {
        keys.delete(entry.messageId);
        throw error;
      }
    },
    async remove(messageId) {
      const key = keys.get(messageId);
      if (key === undefined) return;
      keys.delete(messageId);
      await store.commit([{ kind: 'remove', table, key }]);
    },
    async entries() {
      return [...store.range(table)].map(({ key, value }) => {
        const entry = decodeEntry(value);
        keys.set(entry.messageId, key);
        return entry;
      });
    },
  };
}

function encodeEntry(entry: OutboxEntry): Uint8Array {
  return encodeCbor([
    fromHex(entry.messageId),
    entry.to.map(inboxBytes),
    entry.relays,
    entry.envelope,
    entry.priority === 'urgent',
    entry.expiresMs,
    entry.receiptTo === null ? null : inboxBytes(entry.receiptTo),
  ]);
}

/** Written by this program only; anything else means a damaged file. @throws {DecodeError} */
function decodeEntry(value: Uint8Array): OutboxEntry {
  const fields = decodeCbor(value);
  if (!Array.isArray(fields) || fields.length !== 7) throw new DecodeError('not an outbox entry');
  const [messageId, to, relays, envelope, isUrgent, expiresMs, receiptTo] = fields as [
    Uint8Array,
    Uint8Array[],
    string[],
    Uint8Array,
    boolean,
    number,
    Uint8Array | null,
  ];
  return {
    messageId: toHex(messageId),
    to: to.map((inbox) => parseInboxId(toHex(inbox))),
    relays,
    envelope,
    priority: isUrgent ? 'urgent' : 'normal',
    expiresMs,
    receiptTo: receiptTo === null ? null : parseInboxId(toHex(receiptTo)),
  };
}

const dayMs = 86_400_000;
/** Marks are dropped after this: longer than a relay keeps a message and knows its id. */
const markMsMax = 30 * dayMs;
const pruneCount = 4;

/**
 * Remembers in a table what was done. A mark is the change to commit together with the effect. Old marks go away as new ones
 * are made.
 */
export function createTableInboxState(
  store: TableStore,
  { clock }: { readonly clock: Clock },
  table = 'inbox-done',
): InboxState<readonly TableChange[]> {
  const positionTable = `${table}.position`;
  let pruned: Uint8Array | undefined;
  /** A few old marks each time, going round: as many as come in go out. */
  const prune = (): TableChange[] => {
    const entries = [...store.range(table, { ...(pruned === undefined ? {} : { from: pruned }), limit: pruneCount })];
    pruned = entries.length < pruneCount ? undefined : concatBytes(entries[pruneCount - 1]?.key as Uint8Array, zero);
    const oldMs = clock.now() - markMsMax;
    const old = entries.filter(({ value }) => new DataView(value.buffer, value.byteOffset).getFloat64(0) < oldMs);
    return old.map(({ key }) => ({ kind: 'remove', table, key }));
  };
  return {
    isDone: (messageId) => store.get(table, messageId) !== undefined,
    markOf(messageId) {
      const value = new Uint8Array(8);
      new DataView(value.buffer).setFloat64(0, clock.now());
      return [...prune(), { kind: 'put', table, key: messageId, value }];
    },
    write: (mark) => store.commit(mark),
    async positions() {
      return [...store.range(positionTable)].map(({ value }) => decodePosition(value));
    },
    async savePosition(position) {
      const key = concatBytes(inboxBytes(position.inbox), new TextEncoder().encode(position.relay));
      const { relay, inbox, epoch, offset } = position;
      const value = encodeCbor([relay, inbox, epoch, offset]);
      await store.commit([{ kind: 'put', table: positionTable, key, value }]);
    },
  };
}

const zero = Uint8Array.of(0);

function decodePosition(value: Uint8Array): InboxPosition {
  const fields = decodeCbor(value);
  if (!Array.isArray(fields) || fields.length !== 4) throw new DecodeError('not an inbox position');
  const [relay, inbox, epoch, offset] = fields as [string, string, string, number];
  return { relay, inbox: parseInboxId(inbox), epoch, offset };
}
