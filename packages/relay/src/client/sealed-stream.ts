import type { Condition, Random, WaitOptions } from '@pulsemesh/base';
import type { LinkStream } from '@pulsemesh/link';
import { equalBytes, toHex } from '@pulsemesh/wire';
import { type CallSide, idInCall, isCallTo, newCallId } from './call-ids.ts';
import { NoSealerError, NotOfThisCallError } from './errors.ts';
import type { Opened, Sealer } from './types.ts';

/** Calls that came lately: a relay that plays one again is noticed. */
export interface CallsSeen {
  /** False: it came before. */
  add(callId: string): boolean;
}

/** Remembers the last calls, at most so many, as long as the object lives. */
export function createCallsSeen(countMax = 65_536): CallsSeen {
  const seen = new Set<string>();
  return {
    add(callId) {
      if (seen.has(callId)) return false;
      // A Set keeps the order of insertion: the first is the oldest.
      if (seen.size >= countMax) seen.delete(seen.values().next().value as string);
      seen.add(callId);
      return true;
    },
  };
}

/** What both ends of a sealed stream need. */
export interface SealedStreamOptions<Contact> {
  readonly stream: LinkStream;
  readonly sealer: Sealer<Contact>;
  /** Of the service called. */
  readonly name: string;
}

/**
 * A stream between two agents whose messages are sealed: the relay passes on what it cannot read. Each message has its place sealed
 * inside, so the relay can cut the stream short and nothing else: who must know the end says so in a message.
 */
export class SealedStream<Contact> {
  readonly #stream: LinkStream;
  readonly #sealer: Sealer<Contact>;
  readonly #name: string;
  readonly #side: CallSide;
  readonly #seen: CallsSeen | null;
  #peer: Contact | null;
  #callId: Uint8Array | null;
  #sentCount = 0;
  #receivedCount = 0;
  /** Sealing and opening may take turns; places are given in the order of the calls. */
  #sending: Promise<unknown> = Promise.resolve();
  #opening: Promise<unknown> = Promise.resolve();

  private constructor(
    { stream, sealer, name }: SealedStreamOptions<Contact>,
    peer: Contact | null,
    callId: Uint8Array | null,
    seen: CallsSeen | null,
  ) {
    this.#stream = stream;
    this.#sealer = sealer;
    this.#name = name;
    this.#side = seen === null ? 'caller' : 'called';
    this.#peer = peer;
    this.#callId = callId;
    this.#seen = seen;
  }

  /** The caller's end: only `peer` is heard on it. */
  static calling<Contact>(options: SealedStreamOptions<Contact>, peer: Contact, random: Random): SealedStream<Contact> {
    return new SealedStream(options, peer, newCallId(options.name, random), null);
  }

  /** The other end: the peer is whoever sealed the first message, and nobody else from then on. */
  static called<Contact>(options: SealedStreamOptions<Contact>, seen: CallsSeen): SealedStream<Contact> {
    return new SealedStream<Contact>(options, null, null, seen);
  }

  /** Who is at the other end; null before it has said anything. */
  get peer(): Contact | null {
    return this.#peer;
  }

  /** @throws {NoSealerError} before the other end is known; as {@link LinkStream.send}. */
  async send(bytes: Uint8Array, options: WaitOptions = {}): Promise<void> {
    const peer = this.#peer;
    const callId = this.#callId;
    if (peer === null || callId === null) throw new NoSealerError();
    const id = idInCall(callId, this.#side, this.#sentCount);
    this.#sentCount += 1;
    const turn = this.#sending.then(async () => {
      const envelope = await this.#sealer.seal(peer, bytes, id);
      return { sent: this.#stream.send(envelope, options) };
    });
    this.#sending = turn.catch(() => {});
    await (await turn).sent;
  }

  /**
   * The next message opened; null at the end. @throws {NotOfThisCallError}, and what opening throws: the stream is aborted then; as
   * {@link LinkStream.receive}.
   */
  async receive(options: WaitOptions = {}): Promise<Uint8Array | null> {
    const envelope = await this.#stream.receive(options);
    if (envelope === null) return null;
    const turn = this.#opening.then(() => this.#open(envelope));
    this.#opening = turn.catch(() => {});
    return await turn;
  }

  async #open(envelope: Uint8Array): Promise<Uint8Array> {
    try {
      const opened = await this.#sealer.open(envelope);
      if (!this.#isNext(opened)) throw new NotOfThisCallError();
      this.#receivedCount += 1;
      return opened.bytes;
    } catch (error) {
      this.#stream.abort(new NotOfThisCallError());
      throw error;
    }
  }

  #isNext({ from, messageId }: Opened<Contact>): boolean {
    if (this.#seen !== null && this.#callId === null) {
      if (!isCallTo(messageId, this.#name) || !this.#seen.add(toHex(messageId))) return false;
      this.#callId = messageId.slice();
      this.#peer = from;
      return true;
    }
    if (this.#callId === null || this.#peer === null) return false;
    const { addressOf } = this.#sealer;
    const otherSide = this.#side === 'caller' ? 'called' : 'caller';
    const expected = idInCall(this.#callId, otherSide, this.#receivedCount);
    return addressOf(from) === addressOf(this.#peer) && equalBytes(messageId, expected);
  }

  end(): void {
    this.#stream.end();
  }

  abort(reason: Condition): void {
    this.#stream.abort(reason);
  }
}
