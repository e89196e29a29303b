import { type Condition, errorMessage, type Timer } from '@pulsemesh/base';
import type { ConnectionFacts, TransportName } from '../../carrier.ts';
import { FrameReader } from '../../framing.ts';
import { asCarrierError, CarrierError } from '../errors.ts';
import { BaseCarrier } from './base-carrier.ts';
import type { CarrierDependencies } from './connect.ts';
import type { ExchangeAnswer, HttpExchange } from './http-exchange.ts';
import { type Body, Outbox, packetBytesMin } from './outbox.ts';
import { PollWait, pollWaitMsStart } from './poll-wait.ts';

/** Polls under way at once: one that waits, and one that carries something up. */
const requestsMax = 2;
/** How much longer than it was asked to wait an answer may take, milliseconds. */
const answerGraceMs = 10_000;
/** Failures in a row that the carrier lives through. */
const failuresMax = 6;
/** An end sooner than this is no limit on waiting but a failure, milliseconds (twice the fastest answer where that is more). */
const quickMs = 100;
const retryMsFirst = 50;
/** Between polls that do not wait, milliseconds: after traffic, and at most. */
export const shortPollMsMin = 20;
export const shortPollMsMax = 1_000;

export interface PollOptions {
  readonly transport: 'long-poll' | 'short-poll';
  readonly id: string;
  /** The path with its query up to `wait=`. */
  readonly path: string;
  readonly exchange: HttpExchange;
  readonly packetBytesMax?: number;
  readonly pollWaitMs?: number;
}

/**
 * A carrier of polls. Each POST takes up what waits and brings down what there is; with something to say while a poll
 * waits, a second one replaces it. The wait shrinks to what passes; without any it is a short poll, and says so.
 */
export class PollCarrier extends BaseCarrier {
  readonly #options: PollOptions;
  readonly #deps: CarrierDependencies;
  readonly #outbox: Outbox;
  readonly #wait: PollWait;
  #requests = 0;
  #failures = 0;
  #hasAnswered = false;
  #fastestMs = Number.POSITIVE_INFINITY;
  #intervalMs = shortPollMsMin;
  /** Set while nothing may be asked: between short polls, or until a failure is waited out. */
  #pause: { readonly timer: Timer; readonly isForAll: boolean } | null = null;
  #isPumpDue = false;

  constructor(options: PollOptions, deps: CarrierDependencies) {
    super(options.id);
    this.#options = options;
    this.#deps = deps;
    this.#outbox = new Outbox(options.packetBytesMax === undefined ? {} : { packetBytesMax: options.packetBytesMax });
    this.#wait = new PollWait(options.transport === 'short-poll' ? 0 : (options.pollWaitMs ?? pollWaitMsStart));
  }

  get transport(): TransportName {
    return this.#wait.ms === 0 ? 'short-poll' : 'long-poll';
  }

  get packetBytesMax(): number {
    return this.#outbox.packetBytesMax;
  }

  get connection(): ConnectionFacts {
    return this.#options.exchange.connection;
  }

  /** What a poll waits now, milliseconds; to be remembered for this network. */
  get pollWaitMs(): number {
    return this.#wait.ms;
  }

  override start(handler: Parameters<BaseCarrier['start']>[0]): void {
    super.start(handler);
    this.#pumpSoon();
  }

  protected override hasRoom(): boolean {
    return this.#outbox.isEmpty && this.#requests < requestsMax && !this.#pause?.isForAll;
  }

  protected override transmit(packet: Uint8Array): void {
    this.#outbox.push(packet);
    this.#pumpSoon();
  }

  protected override release(): void {
    this.#pause?.timer.cancel();
    this.#options.exchange.close();
  }

  // What is handed over in one turn goes in one request.
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.isClosed || this.#pause?.isForAll) return;
    if (!this.#outbox.isEmpty) {
      if (this.#requests < requestsMax) this.#ask();
    } else if (this.#requests === 0) {
      if (this.#wait.ms > 0 || !this.#hasAnswered) this.#ask();
      else if (this.#pause === null) this.#pauseFor(this.#intervalMs, false);
    }
  }

  #pauseFor(delayMs: number, isForAll: boolean): void {
    this.#pause?.timer.cancel();
    const timer = this.#deps.clock.setTimer(() => {
      this.#pause = null;
      // First what is new, so that it goes with the request.
      if (this.isWritable) this.tellWritable();
      if (this.#outbox.isEmpty && this.#requests === 0) this.#ask();
      else this.#pump();
    }, delayMs);
    this.#pause = { timer, isForAll };
  }

  #ask(): void {
    this.#pause?.timer.cancel();
    this.#pause = null;
    const body = this.#outbox.take();
    const waitMs = this.#wait.ms;
    const startedMs = this.#deps.clock.monotonicMs();
    const elapsedMs = () => this.#deps.clock.monotonicMs() - startedMs;
    const reader = new FrameReader();
    let isBusy = body.packets.length > 0;
    const onData = (piece: Uint8Array) => {
      isBusy = true;
      this.#read(reader, piece);
    };
    this.#requests += 1;
    const path = `${this.#options.path}${waitMs}`;
    this.#options.exchange.post({ path, body: body.bytes, timeoutMs: waitMs + answerGraceMs, onData }).then(
      (answer) => {
        this.#requests -= 1;
        if (this.isClosed) return;
        if (answer.status === 200 && !reader.isAtBoundary) {
          return this.#lost(body, waitMs, elapsedMs(), new CarrierError('cut', 'an answer ended in the middle'));
        }
        this.#answered(answer, body, { waitMs, elapsedMs: elapsedMs(), isBusy });
      },
      (error: unknown) => {
        this.#requests -= 1;
        if (!this.isClosed) this.#lost(body, waitMs, elapsedMs(), asCarrierError(error));
      },
    );
  }

  #read(reader: FrameReader, piece: Uint8Array): void {
    try {
      reader.push(piece, (packet) => this.deliver(packet));
    } catch (error) {
      this.close(
        new CarrierError('protocol', `what answers is not the link: ${errorMessage(error)}`, { cause: error }),
      );
    }
  }

  #answered(
    answer: ExchangeAnswer,
    body: Body,
    poll: { readonly waitMs: number; readonly elapsedMs: number; readonly isBusy: boolean },
  ): void {
    const { status } = answer;
    if (status === 200 || status === 204) {
      this.#succeeded(poll);
      return;
    }
    const error = new CarrierError('http-status', `polls are answered with HTTP status ${status}`, {
      facts: { status, retryAfterMs: answer.retryAfterMs ?? undefined },
    });
    if (status === 413 || (status === 400 && this.#hasAnswered && body.bytes.length > packetBytesMin)) {
      if (this.#outbox.shrink(body)) this.#goOn();
      else this.close(tooLarge());
    } else if (!this.#hasAnswered) {
      this.close(error);
    } else if (status === 503 || status === 429) {
      this.#outbox.giveBack(body);
      this.#failed(error, answer.retryAfterMs);
    } else if (status === 408 || status === 502 || status === 504) {
      this.#lost(body, poll.waitMs, poll.elapsedMs, error);
    } else {
      this.close(error);
    }
  }

  #succeeded(poll: { readonly waitMs: number; readonly elapsedMs: number; readonly isBusy: boolean }): void {
    this.#hasAnswered = true;
    this.#failures = 0;
    this.#fastestMs = Math.min(this.#fastestMs, poll.elapsedMs);
    if (poll.waitMs > 0 && poll.elapsedMs >= poll.waitMs) this.#wait.completed();
    this.#intervalMs = poll.isBusy ? shortPollMsMin : Math.min(shortPollMsMax, this.#intervalMs * 1.5);
    this.#goOn();
  }

  // A request died: what it carried may or may not have arrived, and goes again (the other end knows repetitions).
  #lost(body: Body, waitMs: number, elapsedMs: number, reason: Condition): void {
    if (!this.#hasAnswered) {
      this.close(reason);
      return;
    }
    const isQuick = elapsedMs < Math.max(quickMs, 2 * this.#fastestMs);
    if (isQuick && this.#failures > 0 && body.bytes.length > packetBytesMin) {
      // Some boxes reset or refuse without a word what is too long for them.
      this.#outbox.shrink(body);
    } else {
      this.#outbox.giveBack(body);
    }
    if (!isQuick && waitMs > 0) this.#wait.cut(elapsedMs);
    this.tellLost();
    this.#failed(reason, isQuick ? null : 0);
  }

  #failed(reason: Condition, delayMs: number | null): void {
    this.#failures += 1;
    if (this.#failures > failuresMax) {
      this.close(reason);
      return;
    }
    const backOffMs = retryMsFirst * 2 ** (this.#failures - 1) * (0.5 + this.#deps.random.float());
    if (delayMs === 0) this.#goOn();
    else this.#pauseFor(delayMs ?? backOffMs, true);
  }

  #goOn(): void {
    if (this.isClosed) return;
    // First what is new, so that it goes with the next request; then the request.
    if (this.isWritable) this.tellWritable();
    this.#pumpSoon();
  }
}

function tooLarge(): CarrierError {
  return new CarrierError(
    'too-large',
    `bodies of even ${packetBytesMin} bytes are refused as too large (HTTP status 413)`,
    {
      facts: { status: 413 },
    },
  );
}
