import { type Condition, type Timer, unreachable } from '@pulsemesh/base';
import { asCarrierError, CarrierError } from '../errors.ts';
import type { CarrierDependencies } from './connect.ts';
import type { ExchangeAnswer, HttpExchange } from './http-exchange.ts';
import { type Body, Outbox, packetBytesMin } from './outbox.ts';
import { UploadLane } from './upload-lane.ts';

const answerTimeoutMs = 10_000;
const failuresMax = 6;
const retryMsFirst = 50;
/** Where an answer takes longer than this, milliseconds, two POSTs at once carry more than one. */
const secondPostMs = 5;
/** So many POSTs within a second: then one body that goes on is tried. */
export const postsBeforeUpload = 16;
const busyMs = 1_000;
/** A knock that was not answered says little where everybody is busy: so long until the next, milliseconds, doubling. */
export const knockAgainMs = 10_000;

export interface UplinkOptions {
  readonly path: string;
  /** For a body that goes on; absent: there is none. */
  readonly uploadPath?: string;
  readonly exchange: HttpExchange;
  readonly packetBytesMax?: number;
  /** There is room again, or the limit for packets changed. */
  readonly onWritable: () => void;
  /** Packets were lost, and may have to be sent again. */
  readonly onLost: () => void;
  /** Nothing passes any more. */
  readonly onBroken: (reason: Condition) => void;
}

/**
 * The upward half of stream carriers: POSTs, one at a time as long as that is quick, each with all that waits; while there is much to say, one
 * body that goes on, where that passes.
 */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #deps: CarrierDependencies;
  readonly #outbox: Outbox;
  #posts = 0;
  #failures = 0;
  /** Smoothed time of an answer, milliseconds. */
  #answerMs = 0;
  #pause: Timer | null = null;
  #isClosed = false;
  #isPumpDue = false;
  /** Closed until the stream stands: the server does not know the carrier before. */
  #isOpen = false;
  #lane: UploadLane | null = null;
  /** No body that goes on before this; infinite once one was cut: that does not pass here. */
  #noUploadBeforeMs = 0;
  #knockAgainMs = knockAgainMs;
  #busySinceMs = Number.NEGATIVE_INFINITY;
  #busyPosts = 0;

  constructor(options: UplinkOptions, deps: CarrierDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#outbox = new Outbox(options.packetBytesMax === undefined ? {} : { packetBytesMax: options.packetBytesMax });
  }

  get packetBytesMax(): number {
    return this.#outbox.packetBytesMax;
  }

  get hasRoom(): boolean {
    if (this.#lane?.isOpen === true) return this.#lane.hasRoom;
    return this.#outbox.isEmpty && this.#posts < this.#postsMax && this.#pause === null;
  }

  open(): void {
    this.#isOpen = true;
    this.#pumpSoon();
  }

  send(packet: Uint8Array): void {
    this.#outbox.push(packet);
    this.#pumpSoon();
  }

  /** The server has answered the knock of an upload. */
  knockAnswered(): void {
    this.#lane?.knockAnswered();
  }

  close(): void {
    this.#isClosed = true;
    this.#lane?.close();
    this.#lane = null;
    this.#pause?.cancel();
    this.#pause = null;
  }

  get #postsMax(): number {
    return this.#answerMs > secondPostMs ? 2 : 1;
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#isClosed && this.#isOpen && this.#pause === null) {
      if (this.#outbox.isEmpty) return;
      if (this.#lane?.isOpen === true) {
        this.#lane.send(this.#outbox.takeAll());
        return;
      }
      if (this.#posts >= this.#postsMax) return;
      this.#post(this.#outbox.take());
      this.#mayUpload();
    }
  }

  #mayUpload(): void {
    const { exchange, uploadPath } = this.#options;
    if (this.#lane !== null || uploadPath === undefined || exchange.upload === undefined) return;
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < this.#noUploadBeforeMs) return;
    if (nowMs - this.#busySinceMs > busyMs) {
      this.#busySinceMs = nowMs;
      this.#busyPosts = 0;
    }
    this.#busyPosts += 1;
    if (this.#busyPosts >= postsBeforeUpload) this.#lane = this.#startLane(uploadPath, exchange.upload.bind(exchange));
  }

  #startLane(path: string, upload: NonNullable<HttpExchange['upload']>): UploadLane {
    this.#busyPosts = 0;
    const lane: UploadLane = new UploadLane(
      {
        path,
        upload,
        onOpen: () => this.#goOn(),
        onWritable: () => this.#goOn(),
        onEnded: () => {
          if (this.#lane === lane) this.#lane = null;
          this.#goOn();
        },
        onFailed: (isLossPossible) => {
          if (this.#lane === lane) this.#lane = null;
          this.#noUploadBeforeMs = isLossPossible
            ? Number.POSITIVE_INFINITY
            : this.#deps.clock.monotonicMs() + this.#knockAgainMs;
          this.#knockAgainMs *= 2;
          if (isLossPossible) this.#options.onLost();
          this.#goOn();
        },
      },
      this.#deps,
    );
    return lane;
  }

  #post(body: Body): void {
    const startedMs = this.#deps.clock.monotonicMs();
    const { path, exchange } = this.#options;
    this.#posts += 1;
    exchange.post({ path, body: body.bytes, timeoutMs: answerTimeoutMs }).then(
      (answer) => {
        this.#posts -= 1;
        if (this.#isClosed) return;
        this.#answerMs += (this.#deps.clock.monotonicMs() - startedMs - this.#answerMs) / 8;
        this.#answered(answer, body);
      },
      (error: unknown) => {
        this.#posts -= 1;
        if (!this.#isClosed) this.#lost(body, asCarrierError(error));
      },
    );
  }

  #answered(answer: ExchangeAnswer, body: Body): void {
    const { status, retryAfterMs } = answer;
    const kind = kindOf(status);
    const reason = () =>
      new CarrierError('http-status', `POSTs are answered with HTTP status ${status}`, { facts: { status } });
    switch (kind) {
      case 'taken':
        this.#failures = 0;
        this.#goOn();
        return;
      case 'too-large':
        this.#tooLarge(body);
        return;
      case 'busy':
        this.#outbox.giveBack(body);
        this.#failed(reason(), retryAfterMs);
        return;
      case 'lost':
        this.#lost(body, reason());
        return;
      case 'refused':
        this.#break(reason());
        return;
      default:
        unreachable(kind);
    }
  }

  #tooLarge(body: Body): void {
    if (this.#outbox.shrink(body)) this.#goOn();
    else this.#break(new CarrierError('too-large', `bodies of even ${packetBytesMin} bytes are refused as too large`));
  }

  #lost(body: Body, reason: Condition): void {
    if (this.#failures > 0 && body.bytes.length > packetBytesMin) this.#outbox.shrink(body);
    else this.#outbox.giveBack(body);
    this.#options.onLost();
    this.#failed(reason, null);
  }

  #failed(reason: Condition, delayMs: number | null): void {
    this.#failures += 1;
    if (this.#failures > failuresMax) {
      this.#break(reason);
      return;
    }
    const backOffMs = retryMsFirst * 2 ** (this.#failures - 1) * (0.5 + this.#deps.random.float());
    this.#pause?.cancel();
    this.#pause = this.#deps.clock.setTimer(() => {
      this.#pause = null;
      this.#goOn();
    }, delayMs ?? backOffMs);
  }

  #break(reason: Condition): void {
    this.close();
    this.#options.onBroken(reason);
  }

  #goOn(): void {
    if (this.hasRoom) this.#options.onWritable();
    this.#pumpSoon();
  }
}

function kindOf(status: number): 'taken' | 'too-large' | 'busy' | 'lost' | 'refused' {
  if (status === 200 || status === 204) return 'taken';
  if (status === 413) return 'too-large';
  if (status === 503 || status === 429) return 'busy';
  if (status === 400 || status === 408 || status === 502 || status === 504) return 'lost';
  return 'refused';
}
