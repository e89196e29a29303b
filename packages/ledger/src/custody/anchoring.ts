import { type Clock, type Logger, type WaitOptions, withTimeout } from '@pulsemesh/base';
import type { Author, Board } from '@pulsemesh/board';
import type { AccessLog } from '../access/access-log.ts';
import { hexOf } from '../access/fields.ts';
import { zeroHash } from '../access/record-codec.ts';
import type { SealedRows } from '../access/sealed-rows.ts';
import { NoSignerError } from '../grants/errors.ts';
import type { GrantLedger } from '../grants/grant-ledger.ts';
import type { Hex } from '../offer/offer.ts';
import { custodyLimits } from './custody-limits.ts';

interface Root {
  readonly root: Hex;
  readonly count: number;
}

/** What one of the two places has of the log, and what was decided to be put there next. */
interface AnchorRow {
  readonly last: Root;
  readonly next: Root | null;
}

type Place = 'ledger' | 'board';

const table = 'custody/anchors';

export interface AnchoringMeans {
  readonly rows: SealedRows;
  readonly log: AccessLog;
  readonly ledger: GrantLedger;
  readonly board: Board | null;
  readonly author: Author;
}

/**
 * Puts roots of the access log on ledger and board. What is to be put there is durable before it is: after a crash the same is put there
 * again, never another root after the same one.
 */
export class Anchoring {
  readonly #means: AnchoringMeans;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #last: Promise<unknown> = Promise.resolve();
  #hasSigner = true;

  constructor(means: AnchoringMeans, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#means = means;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Leaves that both places have, or the one there is. */
  get anchored(): number {
    const counts = this.#places().map((place) => this.#row(place).last.count);
    return Math.min(...counts, this.#means.log.checkpoint.size);
  }

  /** Resolves when both have all that was in the log. @throws what the first of them that failed throws; the other was tried too. */
  async anchor(options: WaitOptions = {}): Promise<void> {
    const turn = this.#last.then(async () => {
      const outcomes = await Promise.allSettled(this.#places().map((place) => this.#catchUp(place, options)));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    });
    this.#last = turn.catch(() => {});
    await turn;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#last;
  }

  #places(): readonly Place[] {
    return [
      ...(this.#hasSigner ? (['ledger'] as const) : []),
      ...(this.#means.board === null ? [] : (['board'] as const)),
    ];
  }

  async #catchUp(place: Place, options: WaitOptions): Promise<void> {
    const { log } = this.#means;
    for (;;) {
      const { last, next } = this.#row(place);
      const { size, root } = log.checkpoint;
      if (next === null && size <= last.count) return;
      const decided = next ?? { root: hexOf(root), count: size };
      if (next === null) await this.#write(place, { last, next: decided });
      if (!(await this.#put(place, last, decided, options))) return;
      await this.#write(place, { last: decided, next: null });
    }
  }

  /** False where it cannot be put there by this process at all. */
  async #put(place: Place, last: Root, { root, count }: Root, options: WaitOptions): Promise<boolean> {
    const { ledger, board, author } = this.#means;
    return await withTimeout(
      this.#clock,
      `anchoring on the ${place}`,
      custodyLimits.stepWithinMs,
      async (signal) => {
        if (place === 'board') {
          await board?.publish('anchor', { about: 'access', root: root.slice(2), count }, author, { signal });
          return true;
        }
        try {
          await ledger.perform({ step: 'anchor', previous: last.root, root, count: BigInt(count) }, { signal });
          return true;
        } catch (error) {
          if (!(error instanceof NoSignerError)) throw error;
          this.#hasSigner = false;
          this.#logger.warn('a custodian without an account does not anchor its log on the ledger');
          return false;
        }
      },
      options,
    );
  }

  #row(place: Place): AnchorRow {
    const row = this.#means.rows.get(table, keyOf(place)) as AnchorRow | undefined; // as `#write` writes it
    return row ?? { last: { root: zeroHash, count: 0 }, next: null };
  }

  async #write(place: Place, row: AnchorRow): Promise<void> {
    const { rows } = this.#means;
    await rows.store.commit([rows.put(table, keyOf(place), row)]);
  }
}

function keyOf(place: Place): Uint8Array {
  return new TextEncoder().encode(place);
}
