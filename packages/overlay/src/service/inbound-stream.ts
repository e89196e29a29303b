import type { Stream, StreamMessageEvent } from '@libp2p/interface';
import { FrameDecoder } from '@pulsemesh/wire';
import { codecLimits, type DescriptorMemory, decodeMessages } from '../codec.ts';
import type { Message } from '../message.ts';
import { FrugalWindow } from './frugal-window.ts';

export interface InboundHandlers {
  /** The messages of one frame, in order, and how many signatures of descriptors were looked at to read them. */
  readonly onMessages: (messages: readonly Message[], signatures: number) => void;
  /** The remote sent what is no frame, or a frame past a limit; the stream has been aborted. Signatures may have been looked at. */
  readonly onMalformed: (error: unknown, signatures: number) => void;
}

/**
 * Reads the messages of one inbound stream. To be made in the very turn in which the stream was got, so that no chunk is
 * missed. While paused the remote is held back by the stream's window, and what has been read waits here.
 */
export class InboundStream {
  readonly #stream: Stream;
  readonly #memory: DescriptorMemory;
  readonly #handlers: InboundHandlers;
  readonly #window: FrugalWindow;
  readonly #decoder = new FrameDecoder({ bytesMax: codecLimits.frameBytesMax });
  #frames: Uint8Array[] = [];
  #isPaused = false;

  /** `multiplexer`: what carries the stream, as its connection says. */
  constructor(stream: Stream, memory: DescriptorMemory, handlers: InboundHandlers, multiplexer?: string) {
    this.#stream = stream;
    this.#memory = memory;
    this.#handlers = handlers;
    this.#window = new FrugalWindow(stream, multiplexer);
    stream.addEventListener('message', (event: StreamMessageEvent) => this.#take(event.data.subarray()));
    // Unidirectional: ours to close when the remote has said everything.
    stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => {}));
  }

  pause(): void {
    this.#isPaused = true;
    this.#tell('pause');
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#drain();
    if (this.#isPaused) return;
    this.#tell('resume');
    this.#window.resumed();
  }

  abort(error: Error): void {
    this.#frames = [];
    this.#tellIfOpen(() => this.#stream.abort(error));
  }

  #take(chunk: Uint8Array): void {
    if (!this.#isPaused) this.#window.took(chunk.byteLength);
    try {
      // Plain arrays only: the transport's are Buffers, which copy and print differently.
      const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#frames.push(...this.#decoder.push(bytes));
    } catch (error) {
      this.#broken(error);
      return;
    }
    this.#drain();
  }

  /** One frame after the other, until a handler pauses. */
  #drain(): void {
    while (!this.#isPaused) {
      const frame = this.#frames.shift();
      if (frame === undefined) return;
      let messages: readonly Message[];
      const checkedBefore = this.#memory.checkedCount;
      try {
        messages = decodeMessages(frame, this.#memory);
      } catch (error) {
        this.#broken(error, this.#memory.checkedCount - checkedBefore);
        return;
      }
      this.#handlers.onMessages(messages, this.#memory.checkedCount - checkedBefore);
    }
  }

  #broken(error: unknown, signatures = 0): void {
    this.abort(error instanceof Error ? error : new Error('malformed'));
    this.#handlers.onMalformed(error, signatures);
  }

  #tell(what: 'pause' | 'resume'): void {
    if (this.#stream.readStatus === 'closed' || this.#stream.readStatus === 'closing') return;
    this.#tellIfOpen(() => this.#stream[what]());
  }

  /** Each is a frame to the other end, which throws where the connection closes at this moment: this stream is then told of its end. */
  #tellIfOpen(tell: () => void): void {
    try {
      tell();
    } catch {
      this.#frames = [];
    }
  }
}
