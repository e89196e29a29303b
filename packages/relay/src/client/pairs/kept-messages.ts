import { DecodeError, decodeCbor, encodeCbor, fromHex, toHex } from '@pulsemesh/wire';
import type { Priority } from '../../engine.ts';
import { idBytes } from '../../inbox-id.ts';
import type { PairUseLimits } from './pair-limits.ts';
import type { PairChange, PairRow } from './pair-store.ts';

/** A message that was sealed in a session and is not known to be delivered, without its content. */
export interface KeptMessage {
  /** 8 bytes, in the order of sending. */
  readonly key: Uint8Array;
  /** 32 hex digits. */
  readonly messageId: string;
  readonly publicKey: Uint8Array;
  readonly session: string;
  readonly priority: Priority;
  /** Wall time, milliseconds. */
  readonly expiresMs: number;
  readonly relays: readonly string[];
  readonly bytesLength: number;
}

const rowVersion = 1;

/**
 * What was sealed in sessions, until a relay says that it was delivered: should the other side have lost the session, it goes again.
 * Only what is needed to find it is in memory; the content is in the store.
 */
export class KeptMessages {
  readonly #limits: PairUseLimits;
  readonly #kept = new Map<string, { readonly message: KeptMessage; readonly owing: Set<string> }>();
  /** How many of a session are kept. */
  readonly #counts = new Map<string, number>();
  /** The session sealed in last, by the peer's key in hex. */
  readonly #latest = new Map<string, string>();
  #bytes = 0;
  #next = 0;

  constructor(rows: readonly PairRow[], limits: PairUseLimits) {
    this.#limits = limits;
    for (const row of rows) {
      const read = readRow(row);
      if (read === null) continue;
      this.#put(read.message);
      this.#next = Math.max(this.#next, numberOf(row.key) + 1);
    }
  }

  get count(): number {
    return this.#kept.size;
  }

  hasRoomFor(bytesLength: number): boolean {
    const { keptCountMax, keptBytesMax } = this.#limits;
    return this.#kept.size < keptCountMax && this.#bytes + bytesLength <= keptBytesMax;
  }

  add(message: Omit<KeptMessage, 'key' | 'bytesLength'>, bytes: Uint8Array): PairChange {
    const key = new Uint8Array(8);
    new DataView(key.buffer).setBigUint64(0, BigInt(this.#next));
    this.#next += 1;
    const { publicKey, session, messageId, priority, expiresMs, relays } = message;
    this.#put({ publicKey, session, messageId, priority, expiresMs, relays, key, bytesLength: bytes.length });
    const ids = [fromHex(session, idBytes), fromHex(messageId, idBytes)];
    const value = encodeCbor([rowVersion, publicKey, ...ids, priority === 'urgent', expiresMs, relays, bytes]);
    return { kind: 'kept', key, value };
  }

  #put(message: KeptMessage): void {
    this.#kept.set(message.messageId, { message, owing: new Set() });
    this.#counts.set(message.session, (this.#counts.get(message.session) ?? 0) + 1);
    this.#latest.set(toHex(message.publicKey), message.session);
    this.#bytes += message.bytesLength;
  }

  /** The session that messages to this peer were sealed in last, where some of it are not delivered yet. */
  underWayTo(peer: string): string | undefined {
    return this.#latest.get(peer);
  }

  /** The session it was sealed in, where it is kept. */
  sessionOf(messageId: string): string | undefined {
    return this.#kept.get(messageId)?.message.session;
  }

  /** A relay has it: it owes a receipt. */
  stored(messageId: string, relay: string): void {
    this.#kept.get(messageId)?.owing.add(relay);
  }

  /** A relay says it was delivered. Forgotten once all that stored it say so: one of them may lie. */
  delivered(messageId: string, relay: string): readonly PairChange[] {
    const owing = this.#kept.get(messageId)?.owing;
    owing?.delete(relay);
    return owing?.size === 0 ? this.remove(messageId) : [];
  }

  remove(messageId: string): readonly PairChange[] {
    const kept = this.#kept.get(messageId);
    if (kept === undefined) return [];
    const { message } = kept;
    this.#kept.delete(messageId);
    const count = (this.#counts.get(message.session) ?? 1) - 1;
    const peer = toHex(message.publicKey);
    if (count > 0) this.#counts.set(message.session, count);
    else {
      this.#counts.delete(message.session);
      if (this.#latest.get(peer) === message.session) this.#latest.delete(peer);
    }
    this.#bytes -= message.bytesLength;
    return [{ kind: 'kept', key: message.key, value: null }];
  }

  /** Those of a session, in the order of sending. */
  of(session: string): readonly KeptMessage[] {
    return [...this.#kept.values()].map(({ message }) => message).filter((message) => message.session === session);
  }

  /** Forgets what is not worth delivering any more. */
  sweep(nowMs: number): readonly PairChange[] {
    const over = [...this.#kept.values()].filter(({ message }) => message.expiresMs <= nowMs);
    return over.flatMap(({ message }) => this.remove(message.messageId));
  }
}

/** The content in a kept row; null where it is none. */
export function keptContent(row: PairRow): Uint8Array | null {
  return readRow(row)?.bytes ?? null;
}

function numberOf(key: Uint8Array): number {
  return Number(new DataView(key.buffer, key.byteOffset).getBigUint64(0));
}

/** Written by this program only; a row of another version, or a damaged one, is as good as none. */
function readRow({ key, value }: PairRow): { readonly message: KeptMessage; readonly bytes: Uint8Array } | null {
  try {
    const fields = decodeCbor(value);
    if (!Array.isArray(fields) || fields.length !== 8 || fields[0] !== rowVersion) return null;
    const [, publicKey, session, messageId, isUrgent, expiresMs, relays, bytes] = fields as [
      number,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      boolean,
      number,
      string[],
      Uint8Array,
    ];
    const message: KeptMessage = {
      key,
      publicKey,
      session: toHex(session),
      messageId: toHex(messageId),
      priority: isUrgent ? 'urgent' : 'normal',
      expiresMs,
      relays,
      bytesLength: bytes.length,
    };
    return { message, bytes };
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
