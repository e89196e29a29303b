import { sha256 } from '@pulsemesh/crypto';
import type { TableChange } from '@pulsemesh/store';
import { concatBytes, encodeCbor, equalBytes, type PeerId, toHex } from '@pulsemesh/wire';
import type { PartyEvents } from './events.ts';
import type { PartyLimits } from './limits.ts';
import { decodePiece, joinPieces, type Piece } from './piece.ts';
import { messageKeyBytes, numberKey, type SealedRows, scopeKeyBytes, scopeKeyOf, tables } from './rows.ts';
import type { Scopes } from './scopes.ts';

/** Why something that came was not kept. */
export type PartyRefusal =
  /** Not a piece of a message, or past the limits. */
  | 'malformed'
  /** Of a round that is over. */
  | 'late'
  /** What is there already. */
  | 'repeated'
  /** Another message of the same party for the same step: the first one stays. */
  | 'contradiction'
  /** As much of this party, or of so many parties, is kept as may be. */
  | 'full'
  /** All pieces came and are not the message they were said to be. */
  | 'garbled'
  /** Whoever asked for it could not read it. */
  | 'unreadable';

interface KeptMessage {
  readonly from: PeerId;
  readonly run: string;
  readonly scope: string;
  readonly step: string;
  readonly hash: Uint8Array;
  readonly count: number;
  readonly has: Set<number>;
  bytes: number;
  /** Its pieces are not what they were said to be: it counts as not sent, and stays as such. */
  isGarbled: boolean;
}

/**
 * What came for the runs of one agent, asked for or not yet: kept with the post's mark in one commit, one message for each sender and
 * step. What does not fit is refused quietly and counted.
 */
export class PartyInbox {
  readonly #rows: SealedRows;
  readonly #scopes: Scopes;
  readonly #limits: PartyLimits;
  readonly #events: PartyEvents;
  readonly #kept = new Map<string, KeptMessage>();
  readonly #ofSender = new Map<PeerId, { messages: number; bytes: number }>();
  readonly #waiters = new Set<() => void>();
  /** One at a time: what is kept decides on what comes next. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(rows: SealedRows, scopes: Scopes, limits: PartyLimits, events: PartyEvents) {
    this.#rows = rows;
    this.#scopes = scopes;
    this.#limits = limits;
    this.#events = events;
    for (const { key, value } of rows.store.range(tables.inbox)) {
      const row = rows.open(tables.inbox, key, value) as Omit<KeptMessage, 'has' | 'bytes' | 'isGarbled'>; // as written below
      const message: KeptMessage = { ...row, has: new Set(), bytes: 0, isGarbled: false };
      for (const { key: pieceKey, value: piece } of rows.store.range(tables.pieces, rangeOf(key))) {
        message.has.add(new DataView(pieceKey.buffer, pieceKey.byteOffset).getUint16(key.length));
        message.bytes += piece.length;
      }
      this.#remember(toHex(key), message);
    }
  }

  /** Takes what the post brings: resolves with `marked` once `mark` is durable, with the piece where it was kept. */
  take(from: PeerId, encoded: Uint8Array, mark: readonly TableChange[]): Promise<'marked'> {
    const turn = this.#last.then(() => this.#take(from, encoded, mark));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #take(from: PeerId, encoded: Uint8Array, mark: readonly TableChange[]): Promise<'marked'> {
    const piece = this.#parse(encoded);
    const refusal = piece === null ? 'malformed' : this.#refusalOf(from, piece);
    if (refusal !== null || piece === null) {
      this.#events.refused(refusal ?? 'malformed');
      if (mark.length > 0) await this.#rows.store.commit(mark);
      return 'marked';
    }
    const key = messageKeyOf(from, piece);
    const known = this.#kept.get(toHex(key));
    const { run, scope, step, hash, count } = piece;
    const pieceKey = concatBytes(key, numberKey(piece.index, 2));
    await this.#rows.store.commit([
      ...mark,
      ...(known === undefined ? [this.#rows.put(tables.inbox, key, { from, run, scope, step, hash, count })] : []),
      this.#rows.put(tables.pieces, pieceKey, piece.bytes),
    ]);
    const message = known ?? { from, run, scope, step, hash, count, has: new Set(), bytes: 0, isGarbled: false };
    if (known === undefined) this.#remember(toHex(key), message);
    message.has.add(piece.index);
    this.#count(message, piece.bytes.length);
    if (message.has.size === message.count) for (const wake of [...this.#waiters]) wake();
    return 'marked';
  }

  #parse(encoded: Uint8Array): Piece | null {
    try {
      return decodePiece(encoded, this.#limits);
    } catch {
      return null; // whoever sent it learns nothing; it is counted
    }
  }

  #refusalOf(from: PeerId, piece: Piece): PartyRefusal | null {
    if (this.#scopes.isForgotten(piece.run, piece.scope)) return 'late';
    const known = this.#kept.get(toHex(messageKeyOf(from, piece)));
    if (known !== undefined) {
      if (!equalBytes(known.hash, piece.hash) || known.count !== piece.count) return 'contradiction';
      if (known.has.has(piece.index)) return 'repeated';
    }
    const { messagesPerSenderMax, bytesPerSenderMax, sendersMax } = this.#limits;
    const sender = this.#ofSender.get(from);
    if (sender === undefined) return this.#ofSender.size < sendersMax ? null : 'full';
    if (known === undefined && sender.messages >= messagesPerSenderMax) return 'full';
    return sender.bytes + piece.bytes.length > bytesPerSenderMax ? 'full' : null;
  }

  /** The message, once all of it is there. */
  read(run: string, scope: string, step: string, from: PeerId): Uint8Array | null {
    const key = messageKeyOf(from, { run, scope, step });
    const message = this.#kept.get(toHex(key));
    if (message === undefined || message.isGarbled || message.has.size < message.count) return null;
    const parts = Array.from({ length: message.count }, (_, index) => {
      const part = this.#rows.get(tables.pieces, concatBytes(key, numberKey(index, 2)));
      return part instanceof Uint8Array ? part : new Uint8Array(0);
    });
    const bytes = joinPieces(parts, message.hash);
    if (bytes !== null) return bytes;
    message.isGarbled = true;
    this.#events.refused('garbled');
    return null;
  }

  /** Called whenever a message is complete. */
  onMessage(wake: () => void): Disposable {
    this.#waiters.add(wake);
    return { [Symbol.dispose]: () => void this.#waiters.delete(wake) };
  }

  /** Lets go of what is kept for a scope; its rows are removed with the scope's. Resolves when nothing for it is under way. */
  async forget(run: string, scope: string): Promise<void> {
    const turn = this.#last.then(() => {
      for (const [key, message] of this.#kept) {
        if (message.run !== run || message.scope !== scope) continue;
        this.#kept.delete(key);
        const sender = this.#ofSender.get(message.from);
        if (sender === undefined) continue;
        sender.messages -= 1;
        sender.bytes -= message.bytes;
        if (sender.messages === 0) this.#ofSender.delete(message.from);
      }
    });
    this.#last = turn;
    await turn;
  }

  #remember(key: string, message: KeptMessage): void {
    this.#kept.set(key, message);
    const sender = this.#ofSender.get(message.from) ?? { messages: 0, bytes: 0 };
    sender.messages += 1;
    sender.bytes += message.bytes;
    this.#ofSender.set(message.from, sender);
  }

  #count(message: KeptMessage, bytes: number): void {
    message.bytes += bytes;
    const sender = this.#ofSender.get(message.from);
    if (sender !== undefined) sender.bytes += bytes;
  }
}

function messageKeyOf(from: PeerId, place: Pick<Piece, 'run' | 'scope' | 'step'>): Uint8Array {
  const message = sha256(encodeCbor([from, place.step])).subarray(0, messageKeyBytes);
  return concatBytes(scopeKeyOf(place.run, place.scope), message);
}

const longestKey = new Uint8Array(2).fill(0xff);

function rangeOf(messageKey: Uint8Array): { readonly from: Uint8Array; readonly until: Uint8Array } {
  return { from: messageKey.slice(0, scopeKeyBytes + messageKeyBytes), until: concatBytes(messageKey, longestKey) };
}
