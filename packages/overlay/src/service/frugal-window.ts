import type { Stream } from '@libp2p/interface';

/** So many bytes are read of a stream before its sender is given room for as many more: a quarter of yamux' least window. */
export const windowBytesHeld = 64 * 1024;

/** What yamux' streams have beside the interface: whether they tell the sender of the room that reading makes. */
interface Windowed {
  sendPause(): void;
  sendResume(): void;
}

/**
 * Spares the window updates of an inbound yamux stream. libp2p's yamux sends one after each message that was read: a
 * frame back, a write and an encryption for every event, although the sender has room for hundreds. Here it sends one for
 * every {@link windowBytesHeld}. Streams of other muxers are left as they are.
 */
export class FrugalWindow {
  readonly #stream: Windowed | undefined;
  #heldBytes = 0;
  #isHeld = false;

  constructor(stream: Stream, multiplexer: string | undefined) {
    const isYamux = multiplexer === '/yamux/1.0.0' && 'sendPause' in stream && 'sendResume' in stream;
    this.#stream = isYamux ? (stream as unknown as Windowed) : undefined; // both are there
  }

  /** So many bytes were read. Before the first of them the stream has its acknowledgement to send, which goes with an update. */
  took(bytes: number): void {
    if (this.#stream === undefined) return;
    this.#heldBytes += bytes;
    if (this.#isHeld && this.#heldBytes < windowBytesHeld) return;
    this.#heldBytes = 0;
    if (this.#isHeld) this.#giveRoom(this.#stream);
    this.#stream.sendPause();
    this.#isHeld = true;
  }

  /** A window update is a frame to write, which throws where the connection is about to close: what was read came before that. */
  #giveRoom(stream: Windowed): void {
    try {
      stream.sendResume();
    } catch {
      // Nobody is left to give room to, and the stream's own end is on its way.
    }
  }

  /** The stream was resumed by its reader, and gave its sender all room. */
  resumed(): void {
    this.#heldBytes = 0;
    if (this.#isHeld) this.#stream?.sendPause();
  }
}
