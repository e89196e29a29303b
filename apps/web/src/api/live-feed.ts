import type { Clock, Timer } from '@pulsemesh/base/clock';
import type { LiveEvent } from '@pulsemesh/node/api';
import { UnexpectedShapeError } from './decode.ts';
import { liveEvent } from './shapes.ts';

/** What the feed needs of the browser's EventSource. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
  close(): void;
}

export type ConnectionState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'reconnecting'; readonly attempt: number; readonly sinceMs: number }
  | { readonly kind: 'offline'; readonly attempt: number; readonly sinceMs: number };

export interface LiveFeedHandlers {
  /** Called after every (re)connection: what was missed has to be asked for. */
  readonly onOpen: () => void;
  readonly onEvent: (event: LiveEvent) => void;
  readonly onState: (state: ConnectionState) => void;
  /** An event that could not be read; the stream goes on. */
  readonly onBadEvent: () => void;
}

export interface LiveFeedDependencies {
  readonly clock: Clock;
  readonly openEventSource: (url: string) => EventSourceLike;
}

/** First and longest wait before connecting again; it doubles in between. */
export const reconnectDelayFirstMs = 500;
export const reconnectDelayMaxMs = 10_000;
/** After so many failures in a row the page says "offline" instead of "reconnecting". */
export const attemptsUntilOffline = 3;
/** Longest event read; a longer one is left out. */
export const eventCharsMax = 4_000_000;

const eventNames = [
  'message',
  'readings',
  'windows',
  'alert',
  'patients',
  'network',
  'overview',
  'consent',
  'ledger',
] as const;

/**
 * Keeps one event stream to the gateway open until stopped. The reconnecting is done here and not left to the
 * EventSource, which gives up for good on an HTTP error and says nothing of its waits. The owner calls `stop`.
 */
export class LiveFeed {
  readonly #url: string;
  readonly #handlers: LiveFeedHandlers;
  readonly #dependencies: LiveFeedDependencies;
  #source: EventSourceLike | undefined;
  #timer: Timer | undefined;
  #attempt = 0;
  #lostSinceMs: number | null = null;
  #isStopped = false;

  constructor(url: string, handlers: LiveFeedHandlers, dependencies: LiveFeedDependencies) {
    this.#url = url;
    this.#handlers = handlers;
    this.#dependencies = dependencies;
    handlers.onState({ kind: 'connecting' });
    this.#connect();
  }

  /** Connects at once instead of waiting, e.g. when the browser says that the network is back. */
  retryNow(): void {
    if (this.#isStopped || this.#timer === undefined) return;
    this.#timer.cancel();
    this.#connect();
  }

  /** Ends the stream; may be called twice. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#source?.close();
  }

  #connect(): void {
    this.#timer = undefined;
    const source = this.#dependencies.openEventSource(this.#url);
    this.#source = source;
    source.addEventListener('open', () => {
      if (this.#source !== source || this.#isStopped) return;
      this.#attempt = 0;
      this.#lostSinceMs = null;
      this.#handlers.onState({ kind: 'live' });
      this.#handlers.onOpen();
    });
    source.addEventListener('error', () => {
      if (this.#source === source && !this.#isStopped) this.#lost();
    });
    for (const name of eventNames) {
      source.addEventListener(name, ({ data }) => {
        if (this.#source === source && !this.#isStopped) this.#read(data);
      });
    }
  }

  #lost(): void {
    this.#source?.close();
    this.#source = undefined;
    this.#attempt += 1;
    this.#lostSinceMs ??= this.#dependencies.clock.now();
    const kind = this.#attempt >= attemptsUntilOffline ? 'offline' : 'reconnecting';
    this.#handlers.onState({ kind, attempt: this.#attempt, sinceMs: this.#lostSinceMs });
    const delayMs = Math.min(reconnectDelayMaxMs, reconnectDelayFirstMs * 2 ** Math.min(this.#attempt - 1, 10));
    this.#timer = this.#dependencies.clock.setTimer(() => this.#connect(), delayMs);
  }

  #read(data: unknown): void {
    const event = parseEvent(data);
    if (event === 'unreadable') this.#handlers.onBadEvent();
    else if (event !== null) this.#handlers.onEvent(event);
  }
}

/** Null for a kind of event that this page does not know. */
function parseEvent(data: unknown): LiveEvent | null | 'unreadable' {
  if (typeof data !== 'string' || data.length > eventCharsMax) return 'unreadable';
  try {
    return liveEvent(JSON.parse(data));
  } catch (error) {
    if (error instanceof UnexpectedShapeError || error instanceof SyntaxError) return 'unreadable';
    throw error;
  }
}
