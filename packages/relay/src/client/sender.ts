import type { LinkSession, LinkStream } from '@pulsemesh/link';
import { fromHex } from '@pulsemesh/wire';
import { decodeSendResults, encodeSendBatch, type RefusedTarget, type SendItem } from '../wire/send.ts';
import type { RelayClientEvents } from './events.ts';
import type { RelayClientLimits } from './limits.ts';
import { Retry } from './retry.ts';
import type { ClientDependencies, OutboxEntry } from './types.ts';

/** The relay's last word on a message. */
export type OnAnswer = (entry: OutboxEntry, refused: readonly RefusedTarget[]) => void;

const batchBytesMax = 64 * 1024;
const batchCountMax = 256;
const entryCostBytes = 128;
const retryableCodes = new Set(['busy', 'too-fast']);

/**
 * Sends messages to one relay, in order, until it has answered each: again on every new session, with the same ids. After a refusal
 * that passes, all is sent again from there, so that the order is kept.
 */
export class RelaySender {
  readonly #relay: string;
  readonly #limits: RelayClientLimits;
  readonly #events: RelayClientEvents;
  readonly #dependencies: ClientDependencies;
  readonly #onAnswer: OnAnswer;
  readonly #retry: Retry;
  #urgent: OutboxEntry[] = [];
  #normal: OutboxEntry[] = [];
  #inFlight = new Map<number, OutboxEntry>();
  #inFlightBytes = 0;
  #ref = 0;
  #session: LinkSession | null = null;
  #stream: LinkStream | null = null;
  #isBlocked = false;
  #isAsked = false;

  constructor(
    relay: string,
    limits: RelayClientLimits,
    events: RelayClientEvents,
    onAnswer: OnAnswer,
    dependencies: ClientDependencies,
  ) {
    this.#relay = relay;
    this.#limits = limits;
    this.#events = events;
    this.#onAnswer = onAnswer;
    this.#dependencies = dependencies;
    this.#retry = new Retry(limits.retryMsMin, limits.retryMsMax, dependencies);
  }

  add(entry: OutboxEntry): void {
    (entry.priority === 'urgent' ? this.#urgent : this.#normal).push(entry);
    this.#ask();
  }

  /** A new session: what the last one did not answer goes first. */
  useSession(session: LinkSession | null): void {
    this.#session = session;
    this.#drop();
    this.#retry.cancel();
    this.#ask();
  }

  stop(): void {
    this.#session = null;
    this.#retry.cancel();
    this.#stream?.end();
    this.#stream = null;
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#session === null || this.#urgent.length + this.#normal.length === 0) return;
    const stream = this.#stream ?? this.#open(this.#session);
    while (stream !== null && stream === this.#stream && !this.#isBlocked) {
      const items = this.#take();
      if (items.length === 0) break;
      this.#isBlocked = !stream.write(encodeSendBatch(items));
    }
  }

  #open(session: LinkSession): LinkStream | null {
    let stream: LinkStream;
    try {
      stream = session.open('mailbox.send');
    } catch {
      this.#retry.later(() => this.#pump());
      return null;
    }
    this.#stream = stream;
    this.#isBlocked = false;
    stream.onDrain(() => {
      this.#isBlocked = false;
      if (this.#stream === stream) this.#pump();
    });
    stream.consume(
      (message) => {
        if (this.#stream !== stream) return;
        if (message === null) this.#again('ended');
        else this.#takeResults(message);
      },
      (reason) => {
        if (this.#stream === stream) this.#again(reason.code);
      },
    );
    return this.#stream;
  }

  #take(): SendItem[] {
    const items: SendItem[] = [];
    const nowMs = this.#dependencies.clock.now();
    let bytes = 0;
    while (items.length < batchCountMax && bytes < batchBytesMax) {
      if (this.#inFlightBytes >= this.#limits.inFlightBytesMax) break;
      const entry = this.#urgent.shift() ?? this.#normal.shift();
      if (entry === undefined) break;
      if (entry.expiresMs <= nowMs) continue; // whoever keeps the outbox says so
      this.#ref += 1;
      this.#inFlight.set(this.#ref, entry);
      this.#inFlightBytes += costOf(entry);
      bytes += costOf(entry);
      items.push({
        ref: this.#ref,
        to: entry.to,
        messageId: fromHex(entry.messageId),
        envelope: entry.envelope,
        ttlSeconds: Math.max(1, Math.ceil((entry.expiresMs - nowMs) / 1000)),
        priority: entry.priority,
        receiptTo: entry.receiptTo,
      });
    }
    return items;
  }

  #takeResults(message: Uint8Array): void {
    let passing: string | undefined;
    try {
      for (const { ref, refused } of decodeSendResults(message)) {
        const entry = this.#inFlight.get(ref);
        if (entry === undefined) continue;
        const again = refused.find(({ code }) => retryableCodes.has(code));
        if (again !== undefined) {
          passing = again.code;
          continue;
        }
        this.#inFlight.delete(ref);
        this.#inFlightBytes -= costOf(entry);
        this.#retry.wentWell();
        this.#onAnswer(entry, refused);
      }
    } catch {
      passing = 'malformed';
    }
    if (passing === undefined) this.#pump();
    else this.#again(passing);
  }

  /** The stream is of no more use: a new one after a while, while the session lives. */
  #again(code: string): void {
    this.#events.streamBroke(this.#relay, 'mailbox.send', code);
    this.#drop();
    this.#retry.later(() => this.#pump());
  }

  /** What is not answered waits again, before the rest. */
  #drop(): void {
    const stream = this.#stream;
    this.#stream = null;
    this.#isBlocked = false;
    stream?.end();
    const again = [...this.#inFlight.values()];
    this.#inFlight = new Map();
    this.#inFlightBytes = 0;
    this.#urgent = [...again.filter(({ priority }) => priority === 'urgent'), ...this.#urgent];
    this.#normal = [...again.filter(({ priority }) => priority === 'normal'), ...this.#normal];
  }
}

function costOf(entry: OutboxEntry): number {
  return entry.envelope.length + entry.to.length * 18 + entryCostBytes;
}
