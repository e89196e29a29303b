import type { Condition, Timer } from '@pulsemesh/base';
import type { CarrierHandler, ConnectionFacts } from '../carrier.ts';
import { framePackets } from '../framing.ts';
import { deferToEndOfTurn } from '../session/defer.ts';
import { CarrierEvents } from './carrier-events.ts';
import type { ServerContext } from './context.ts';
import { type Exchange, type ResponseHeaders, refuse } from './exchange.ts';
import { carrierOver, refusals } from './refusal.ts';
import type { JoinedCarrier } from './stream-carrier.ts';

/** A request that waits for packets. */
interface WaitingPoll {
  readonly exchange: Exchange;
  readonly headers: ResponseHeaders;
  /** True once it was answered with packets. */
  hasPackets: boolean;
}

const nothing = new Uint8Array(0);

/**
 * Requests that each wait for packets and are answered with all there are at the end of a tick. Holds nothing between two
 * requests: without one that waits it is not writable, and the session keeps what it has to say.
 */
export class PollCarrier implements JoinedCarrier {
  readonly transport: 'long-poll' | 'short-poll';
  readonly id: string;
  readonly connection: ConnectionFacts;
  readonly packetBytesMax: number;
  readonly #context: ServerContext;
  readonly #events: CarrierEvents;
  readonly #onOver: () => void;
  readonly #flush = () => this.#answerNow();
  #waiting: WaitingPoll | null = null;
  /** The one before it, until the end of the turn in which it was replaced. */
  #replaced: WaitingPoll | null = null;
  #packets: Uint8Array[] = [];
  #packetBytes = 0;
  #waitTimer: Timer | null = null;
  #idleTimer: Timer | null = null;
  /** An answer that held packets did not get out whole. */
  #isLost = false;

  constructor(
    facts: {
      readonly transport: 'long-poll' | 'short-poll';
      readonly id: string;
      readonly connection: ConnectionFacts;
    },
    context: ServerContext,
    onOver: () => void,
  ) {
    this.transport = facts.transport;
    this.id = facts.id;
    this.connection = facts.connection;
    this.packetBytesMax = context.limits.packetBytesMax;
    this.#context = context;
    this.#onOver = onOver;
    const { limits, clock } = context;
    this.#events = new CarrierEvents({ ...limits, onSilent: (reason) => this.close(reason) }, { clock });
  }

  get isWritable(): boolean {
    return this.#waiting !== null && this.#packetBytes < this.#context.limits.bufferedBytesMax;
  }

  start(handler: CarrierHandler): void {
    this.#events.start(handler);
  }

  send(packet: Uint8Array): void {
    if (!this.isWritable) return;
    if (this.#packets.push(packet) === 1) process.nextTick(this.#flush);
    this.#packetBytes += packet.length;
  }

  deliver(packet: Uint8Array): void {
    this.#events.packet(packet);
  }

  /** Lets this request wait at most `waitMs`; one that waited before is answered, empty unless there are packets by the end of the turn. */
  attach(exchange: Exchange, headers: ResponseHeaders, waitMs: number): void {
    this.#answerNow();
    this.#answerReplaced();
    this.#replace(this.#take());
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    const poll: WaitingPoll = { exchange, headers, hasPackets: false };
    this.#waiting = poll;
    exchange.onOver((isSent) => this.#onExchangeOver(poll, isSent));
    if (this.#isLost) {
      this.#isLost = false;
      this.#events.lost();
    }
    this.#events.writable();
    if (this.#waiting !== poll) return;
    this.#waitTimer = this.#context.clock.setTimer(() => {
      this.#waitTimer = null;
      this.#answerEmpty();
    }, waitMs);
  }

  /**
   * What a request brings is often answered at once: then the poll it replaces carries the answer, and this one waits on. That is
   * half as many requests for each round trip.
   */
  #replace(poll: WaitingPoll | null): void {
    if (poll === null) return;
    this.#replaced = poll;
    // The session answers at the end of this turn, so the one after it is soon enough.
    deferToEndOfTurn(() =>
      deferToEndOfTurn(() => {
        if (this.#replaced === poll) this.#answerReplaced();
      }),
    );
  }

  #answerReplaced(): void {
    const replaced = this.#replaced;
    this.#replaced = null;
    if (replaced !== null) respond(replaced, nothing);
  }

  close(reason: Condition | null): void {
    if (this.#events.isClosed) return;
    this.#answerNow();
    this.#answerReplaced();
    const waiting = this.#take();
    if (waiting !== null) refuse(waiting.exchange, refusals.carrierClosed(), waiting.headers);
    this.#over(reason);
  }

  /** Answers a waiting request at once, so that it can be asked again elsewhere. */
  release(): void {
    this.#answerNow();
    this.#answerReplaced();
    this.#answerEmpty();
  }

  #answerNow(): void {
    if (this.#packets.length === 0) return;
    const body = framePackets(this.#packets);
    this.#packets = [];
    this.#packetBytes = 0;
    const waiting = this.#replaced ?? this.#take();
    this.#replaced = null;
    // The request went away while the packets waited for the end of the tick.
    if (waiting === null) this.#isLost = true;
    else {
      waiting.hasPackets = true;
      respond(waiting, body);
    }
  }

  #answerEmpty(): void {
    const waiting = this.#take();
    if (waiting !== null) respond(waiting, nothing);
  }

  #take(): WaitingPoll | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#waitTimer?.cancel();
    this.#waitTimer = null;
    return waiting;
  }

  #onExchangeOver(poll: WaitingPoll, isSent: boolean): void {
    if (!isSent && poll.hasPackets) this.#isLost = true;
    if (this.#replaced === poll) this.#replaced = null;
    if (this.#waiting === poll) this.#take();
    if (this.#waiting !== null || this.#idleTimer !== null || this.#events.isClosed) return;
    const { carrierIdleMs } = this.#context.limits;
    this.#idleTimer = this.#context.clock.setTimer(() => this.#over(carrierOver.idle(carrierIdleMs)), carrierIdleMs);
  }

  #over(reason: Condition | null): void {
    this.#idleTimer?.cancel();
    this.#take();
    this.#onOver();
    if (this.#events.closed(reason)) this.#context.carriers.over(this, reason);
  }
}

function respond(poll: WaitingPoll, body: Uint8Array): void {
  poll.exchange.respond(
    200,
    { 'content-type': 'application/octet-stream', 'content-length': body.length, ...poll.headers },
    body,
  );
}
