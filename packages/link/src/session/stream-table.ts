import { Condition, errorForLog } from '@pulsemesh/base';
import { LinkRemoteError, MethodTakenError, StreamLimitError } from '../errors.ts';
import type { LinkParty, LinkStream, ServeOptions } from '../session.ts';
import type { Item, OpenItem } from '../wire/items.ts';
import { sessionConstants } from './limits.ts';
import type { SessionEvents } from './session-events.ts';
import { SessionStream } from './session-stream.ts';
import type { StreamHost } from './stream-host.ts';

/** What streams need of the items below them. */
export interface StreamCarrier {
  readonly hasRoom: boolean;
  readonly dataBytesMax: number;
  push(item: Item): void;
}

export interface StreamTableOptions {
  /** `agent` opens odd ids, `server` even ones. */
  readonly role: 'agent' | 'server';
  /** Streams that the other end may have open at once. */
  readonly streamsMax: number;
  readonly messageBytesMax: number;
  readonly streamCreditBytes: number;
  readonly remote: () => LinkParty;
  readonly events: SessionEvents;
}

interface Service {
  readonly handler: (stream: LinkStream) => Promise<void> | void;
  readonly isOpenToGuests: boolean;
}

const streamIdMax = 0xffff_ffff;

/** The streams of one session: opens, serves and dispatches. */
export class StreamTable implements StreamHost {
  readonly #options: StreamTableOptions;
  readonly #carrier: StreamCarrier;
  readonly #streams = new Map<number, SessionStream>();
  readonly #services = new Map<string, Service>();
  #waitingForRoom = new Set<SessionStream>();
  #nextId: number;
  #greatestRemoteId = 0;
  #ownCount = 0;
  #assemblyBytes = 0;
  /** Streams this end may have open at once; the other end says. */
  ownStreamsMax: number;

  constructor(options: StreamTableOptions, carrier: StreamCarrier) {
    this.#options = options;
    this.#carrier = carrier;
    this.#nextId = options.role === 'agent' ? 1 : 2;
    this.ownStreamsMax = options.streamsMax;
  }

  get remote(): LinkParty {
    return this.#options.remote();
  }

  get hasRoom(): boolean {
    return this.#carrier.hasRoom;
  }

  get dataBytesMax(): number {
    return this.#carrier.dataBytesMax;
  }

  get messageBytesMax(): number {
    return this.#options.messageBytesMax;
  }

  get streamCreditBytes(): number {
    return this.#options.streamCreditBytes;
  }

  get size(): number {
    return this.#streams.size;
  }

  open(method: string): LinkStream {
    if (this.#ownCount >= this.ownStreamsMax || this.#nextId > streamIdMax) {
      throw new StreamLimitError(this.ownStreamsMax);
    }
    const stream = new SessionStream(this.#nextId, method, this);
    this.#nextId += 2;
    this.#ownCount += 1;
    this.#streams.set(stream.id, stream);
    this.push({ kind: 'open', stream: stream.id, method });
    return stream;
  }

  serve(method: string, handler: Service['handler'], options: ServeOptions): Disposable {
    if (this.#services.has(method)) throw new MethodTakenError(method);
    const service = { handler, isOpenToGuests: options.isOpenToGuests ?? false };
    this.#services.set(method, service);
    return {
      [Symbol.dispose]: () => {
        if (this.#services.get(method) === service) this.#services.delete(method);
      },
    };
  }

  /** Acts on an item that is about a stream; others are passed over. */
  take(item: Item): void {
    switch (item.kind) {
      // What comes for a stream that is not there was under way when the stream ended: passed over.
      case 'data':
        this.#streams.get(item.stream)?.takeData(item.payload, item.more);
        break;
      case 'credit':
        this.#streams.get(item.stream)?.takeCredit(item.bytes);
        break;
      case 'end':
        this.#streams.get(item.stream)?.takeEnd();
        break;
      case 'reset':
        this.#streams.get(item.stream)?.takeReset(item);
        break;
      case 'open':
        this.#takeOpen(item);
        break;
      default:
    }
  }

  #takeOpen(item: OpenItem): void {
    const service = this.#services.get(item.method);
    const refusal = this.#openRefusal(item, service);
    if (refusal === null && service !== undefined) {
      const stream = new SessionStream(item.stream, item.method, this);
      this.#streams.set(stream.id, stream);
      void this.#run(service, stream);
    } else {
      const isRetryable = refusal === 'too-many-streams';
      this.push({ kind: 'reset', stream: item.stream, code: refusal ?? 'unknown-method', text: '', isRetryable });
    }
  }

  #openRefusal(item: OpenItem, service: Service | undefined): string | null {
    const isTheirs = item.stream % 2 === (this.#options.role === 'agent' ? 0 : 1);
    if (!isTheirs || item.stream <= this.#greatestRemoteId) return 'stream-id';
    this.#greatestRemoteId = item.stream;
    if (this.#streams.size - this.#ownCount >= this.#options.streamsMax) return 'too-many-streams';
    if (service === undefined) return 'unknown-method';
    return this.remote.isGuest && !service.isOpenToGuests ? 'not-admitted' : null;
  }

  async #run(service: Service, stream: SessionStream): Promise<void> {
    try {
      await service.handler(stream);
    } catch (error) {
      stream.abort(this.handlerFailed(error));
    }
  }

  push(item: Item): void {
    this.#carrier.push(item);
  }

  waitForRoom(stream: SessionStream): void {
    this.#waitingForRoom.add(stream);
  }

  /** There is room again: each waiting stream has its turn. */
  onRoom(): void {
    const waiting = this.#waitingForRoom;
    this.#waitingForRoom = new Set();
    for (const stream of waiting) {
      if (this.hasRoom) stream.pump();
      else this.#waitingForRoom.add(stream);
    }
  }

  assemble(bytes: number): boolean {
    this.#assemblyBytes += bytes;
    return this.#assemblyBytes <= sessionConstants.assemblyBytesMax;
  }

  forget(stream: SessionStream): void {
    this.#waitingForRoom.delete(stream);
    if (!this.#streams.delete(stream.id)) return;
    stream.forgotten();
    if (stream.id % 2 === this.#nextId % 2) this.#ownCount -= 1;
  }

  // A condition is meant for the other end; the text of anything else could hold what it must not.
  handlerFailed(error: unknown): Condition {
    this.#options.events.handlerFailed(errorForLog(error));
    if (error instanceof Condition) return error;
    return new LinkRemoteError('handler-failed', '', false);
  }

  /** The session is over: every stream breaks. */
  close(reason: Condition): void {
    for (const stream of [...this.#streams.values()]) stream.lost(reason);
    this.#services.clear();
  }
}
