import type { Clock, Logger, Timer } from '@pulsemesh/base';
import { errorCode } from '@pulsemesh/base/errors';
import { type InboxId, parseInboxId } from '../../inbox-id.ts';
import type { Watchers } from '../watchers.ts';
import type { Connections } from './connections.ts';
import type { Session } from './session.ts';
import { isSqlState } from './sql-errors.ts';

/** PostgreSQL's limit on a payload is 8,000 bytes. */
const inboxesPerPayload = 200;
/** More than that at once: everybody looks. */
const inboxesMax = 5_000;
/** How long until the listening connection is tried again; meanwhile everybody who waits looks that often. */
const reconnectMs = 2_000;
const idLength = 32;

/**
 * Tells other relays which mailboxes something came into, and hears of theirs. Only wake-ups: sent after the commit, on a
 * connection of their own, since a transaction that notifies holds up all others that do.
 */
export class Wakeups implements AsyncDisposable {
  readonly #connections: Connections;
  readonly #watchers: Watchers;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #channel: string;
  /** Ours, so that we do not hear ourselves. */
  readonly #tag: string;
  #session: Session | null = null;
  #pending = new Set<InboxId>();
  #isSending = false;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(
    { channel, tag }: { readonly channel: string; readonly tag: string },
    dependencies: {
      readonly connections: Connections;
      readonly watchers: Watchers;
      readonly clock: Clock;
      readonly logger: Logger;
    },
  ) {
    this.#channel = channel;
    this.#tag = tag;
    this.#connections = dependencies.connections;
    this.#watchers = dependencies.watchers;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger;
  }

  /** Resolves once it listens, or knows that this server cannot be listened to. */
  async start(): Promise<void> {
    try {
      const session = await this.#connections.dedicated();
      if (this.#isClosed) {
        await session.end();
        return;
      }
      session.onBroken(() => this.#lost(session));
      session.onNotification((payload) => this.#heard(payload));
      await session.execute(`listen ${this.#channel}`);
      this.#session = session;
      // What came while nobody listened.
      this.#watchers.wakeAll();
      this.#send();
    } catch (error) {
      this.#logger.warn('no wake-ups from the database: looking every so often instead', { code: errorCode(error) });
      // A server that answered so has no such thing (CockroachDB): then only looking is left.
      this.#again(isSqlState(error));
    }
  }

  /** Wakes those who watch at other relays. */
  notify(inboxes: Iterable<InboxId>): void {
    for (const inbox of inboxes) this.#pending.add(inbox);
    this.#send();
  }

  #send(): void {
    if (this.#isSending || this.#session === null || this.#pending.size === 0) return;
    this.#isSending = true;
    void this.#sendAll(this.#session).finally(() => {
      this.#isSending = false;
    });
  }

  async #sendAll(session: Session): Promise<void> {
    try {
      while (this.#pending.size > 0 && !session.isBroken) {
        const inboxes = [...this.#pending];
        this.#pending = new Set();
        const text = `select pg_notify($1, each) from unnest($2::text[]) as each`;
        await session.execute(text, [this.#channel, payloadsOf(this.#tag, inboxes)]);
      }
    } catch {
      // The connection is lost, and with it some wake-ups: whoever waits looks every so often.
    }
  }

  #heard(payload: string): void {
    const [tag, ids = ''] = payload.split(':');
    if (tag === this.#tag) return;
    if (ids === '*') this.#watchers.wakeAll();
    for (let at = 0; at + idLength <= ids.length; at += idLength) {
      try {
        this.#watchers.wake(parseInboxId(ids.slice(at, at + idLength)));
      } catch {
        return; // not a payload of ours
      }
    }
  }

  #lost(session: Session): void {
    if (this.#session !== session) return;
    this.#session = null;
    this.#again(false);
  }

  #again(isForGood: boolean): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(() => {
      this.#watchers.wakeAll();
      if (isForGood) this.#again(true);
      else void this.start();
    }, reconnectMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const session = this.#session;
    this.#session = null;
    await session?.end();
  }
}

export function payloadsOf(tag: string, inboxes: readonly InboxId[]): string[] {
  if (inboxes.length > inboxesMax) return [`${tag}:*`];
  const payloads: string[] = [];
  for (let at = 0; at < inboxes.length; at += inboxesPerPayload) {
    payloads.push(`${tag}:${inboxes.slice(at, at + inboxesPerPayload).join('')}`);
  }
  return payloads;
}
