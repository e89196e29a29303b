import type { Condition, Random, WaitOptions } from '@pulsemesh/base';
import type { LinkStream } from '@pulsemesh/link';
import { idBytes } from '../inbox-id.ts';
import { NoSealerError } from './errors.ts';
import type { Sealer } from './types.ts';

/** A stream between two agents whose messages are sealed: the relay passes on what it cannot read. */
export class SealedStream<Contact> {
  readonly #stream: LinkStream;
  readonly #sealer: Sealer<Contact>;
  readonly #random: Random;
  #peer: Contact | null;

  /** `peer` null: whoever sealed the first message that comes. */
  constructor(stream: LinkStream, sealer: Sealer<Contact>, peer: Contact | null, random: Random) {
    this.#random = random;
    this.#stream = stream;
    this.#sealer = sealer;
    this.#peer = peer;
  }

  /** Who is at the other end; null before it has said anything. */
  get peer(): Contact | null {
    return this.#peer;
  }

  /** @throws {NoSealerError} before the other end is known; as {@link LinkStream.send}. */
  async send(bytes: Uint8Array, options: WaitOptions = {}): Promise<void> {
    if (this.#peer === null) throw new NoSealerError();
    await this.#stream.send(await this.#sealer.seal(this.#peer, bytes, this.#random.bytes(idBytes)), options);
  }

  /** The next message opened; null at the end. @throws what opening throws: the stream is of no use then; as {@link LinkStream.receive}. */
  async receive(options: WaitOptions = {}): Promise<Uint8Array | null> {
    const envelope = await this.#stream.receive(options);
    if (envelope === null) return null;
    const { from, bytes } = await this.#sealer.open(envelope);
    this.#peer ??= from;
    return bytes;
  }

  end(): void {
    this.#stream.end();
  }

  abort(reason: Condition): void {
    this.#stream.abort(reason);
  }
}
