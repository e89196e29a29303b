import { type Clock, errorForLog, type Logger, sleep } from '@pulsemesh/base';
import type { TableChange } from '@pulsemesh/store';
import type { SealedRows } from '../access/sealed-rows.ts';
import type { GrantLedger, LedgerEvent } from '../grants/grant-ledger.ts';
import { unseenEvents } from '../grants/unseen-events.ts';
import { custodyLimits } from './custody-limits.ts';

const table = 'custody/cursor';
const key = new TextEncoder().encode('events');

/** The ledger's final events, each taken once, and again where the ledger took it back; where it is goes into the commit of what an event changes. */
export class EventFeed {
  readonly #rows: SealedRows;
  readonly #ledger: GrantLedger;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #at = 0n;
  #place = -1;

  constructor(
    rows: SealedRows,
    ledger: GrantLedger,
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#rows = rows;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#logger = logger;
    const row = rows.get(table, key) as [string, number] | undefined; // as `changeAt` writes it
    if (row !== undefined) [this.#at, this.#place] = [BigInt(row[0]), row[1]];
  }

  /** Belongs in the commit of what the event changes. */
  changeAt({ at, place }: LedgerEvent): TableChange {
    return this.#rows.put(table, key, [at.toString(), place]);
  }

  /** Gives `take` each event in order until aborted; one that it throws for is given again. */
  async run(take: (event: LedgerEvent) => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let tries = 1; !signal.aborted; tries += 1) {
      try {
        const isUnseen = unseenEvents({ at: this.#at, place: this.#place });
        for await (const event of this.#ledger.events(this.#at, { signal })) {
          if (!isUnseen(event)) continue;
          await take(event);
          [this.#at, this.#place] = [event.at, event.place];
          tries = 1;
        }
      } catch (error) {
        if (!signal.aborted) this.#logger.warn('the events of the ledger broke off', errorForLog(error));
      }
      const waitMs = Math.min(custodyLimits.retryMsMax, custodyLimits.retryMsMin * 2 ** Math.min(tries - 1, 20));
      await sleep(this.#clock, waitMs, { signal }).catch(() => {});
    }
  }
}
