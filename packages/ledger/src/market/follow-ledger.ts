import { type Clock, errorForLog, type Logger, sleep } from '@pulsemesh/base';
import type { GrantLedger, LedgerEvent } from '../grants/grant-ledger.ts';
import { unseenEvents } from '../grants/unseen-events.ts';

/** Where a reader of events is: behind this one. */
export interface LedgerPlace {
  readonly at: bigint;
  readonly place: number;
}

export interface LedgerFollowing {
  readonly ledger: Pick<GrantLedger, 'events'>;
  /** The last one that was taken; null: none yet. */
  readonly after: LedgerPlace | null;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
  isOurs(event: LedgerEvent): boolean;
  /** Commits the event with its place; null: only the place, so that a restart does not read everything again. */
  take(event: LedgerEvent | null, place: LedgerPlace): Promise<void>;
}

/** Places of events that concern nobody here are written down every so many. */
const foreignEventsMax = 500;
const retryMs = 5_000;

/**
 * Takes every event behind a place, in order, each once, until aborted: what fails is tried again from there. Where the ledger takes back
 * what it had called final, events come anew, perhaps some that were taken before: `take` has to bear that.
 */
export async function followLedger(following: LedgerFollowing): Promise<void> {
  const { ledger, signal, clock, logger } = following;
  let last = following.after;
  while (!signal.aborted) {
    try {
      let foreign = 0;
      const isUnseen = unseenEvents(last);
      for await (const event of ledger.events(last?.at ?? 0n, { signal })) {
        if (signal.aborted) return;
        const place = { at: event.at, place: event.place };
        if (!isUnseen(place)) continue;
        const isOurs = following.isOurs(event);
        foreign += 1;
        if (isOurs) await following.take(event, place);
        else if (foreign >= foreignEventsMax) await following.take(null, place);
        if (isOurs || foreign >= foreignEventsMax) foreign = 0;
        last = place;
      }
    } catch (error) {
      if (signal.aborted) return;
      const { code, text } = errorForLog(error);
      logger.warn('the events of the ledger are read again', { code, text });
    }
    await sleep(clock, retryMs, { signal }).catch(() => {});
  }
}
