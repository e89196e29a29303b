import { type Clock, errorCode, type Logger, sleep } from '@pulsemesh/base';
import type { Board } from '@pulsemesh/board';
import { type GrantLedger, type LedgerEvent, unseenEvents } from '@pulsemesh/ledger';
import type { AnchorView, LedgerEventView } from '../api/types.ts';

/** Events shown at most, newest first. */
export const auditEventsMax = 1_000;
/** Anchors remembered, newest: so many of the custodians that settings name, and so many of all others, who push out each other alone. */
export const anchorsMax = 10_000;
const pauseMs = 2_000;

/** A custodian as a setting names it. */
export interface KnownCustodian {
  readonly peer: string;
  readonly account: string;
}

/** What ledger and board say publicly, as it comes. Dispose to stop. */
export class AuditBook implements Disposable {
  readonly #custodians: readonly KnownCustodian[];
  readonly #events: LedgerEventView[] = [];
  /** By custodian and root. */
  readonly #anchors = new Map<string, AnchorView>();
  readonly #strangersAnchors = new Map<string, AnchorView>();
  readonly #stopped = new AbortController();
  readonly #stack = new DisposableStack();
  readonly #onChange: () => void;

  constructor(
    parts: { readonly ledger: GrantLedger; readonly board: Board; readonly custodians: readonly KnownCustodian[] },
    onChange: () => void,
    deps: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#custodians = parts.custodians;
    this.#onChange = onChange;
    this.#stack.use(
      parts.board.onEntry((entry) => {
        if (entry.kind !== 'anchor' || entry.body.about !== 'access') return;
        const { root, count } = entry.body;
        const known = { custodian: entry.author as string, root: `0x${root}` as const, count };
        this.#addAnchor({ ...known, transaction: null, boardIndex: entry.index, atMs: entry.createdMs });
      }),
    );
    this.#stack.defer(() => this.#stopped.abort());
    void this.#follow(parts.ledger, deps);
  }

  /** Newest first. */
  events(): readonly LedgerEventView[] {
    return this.#events.toReversed();
  }

  /** Newest first. */
  anchors(): readonly AnchorView[] {
    return [...this.#anchors.values(), ...this.#strangersAnchors.values()].sort((one, other) => other.atMs - one.atMs);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  async #follow(ledger: GrantLedger, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    const { signal } = this.#stopped;
    // Of the newest event taken.
    let at = 0n;
    let place = -1;
    while (!signal.aborted) {
      try {
        const isUnseen = unseenEvents({ at, place }); // a follower that starts again is given the last block again
        for await (const event of ledger.events(at, { signal })) {
          if (!isUnseen(event)) continue;
          ({ at, place } = event);
          this.#take(event);
        }
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('the events of the ledger cannot be followed', { code: errorCode(error) });
      }
      await sleep(clock, pauseMs, { signal }).catch(() => {});
    }
  }

  #take(event: LedgerEvent): void {
    // What the ledger took back does not stand beside what stands instead.
    while (isFrom(event, this.#events.at(-1))) this.#events.pop();
    this.#events.push(eventView(event));
    if (this.#events.length > auditEventsMax) this.#events.shift();
    if (event.kind === 'anchored') {
      const known = this.#custodians.find(({ account }) => account === event.custodian.toLowerCase());
      this.#addAnchor({
        custodian: known?.peer ?? event.custodian,
        root: event.root,
        count: Number(event.count),
        transaction: event.transaction,
        boardIndex: null,
        atMs: event.timeMs,
      });
    }
    this.#onChange();
  }

  #addAnchor(anchor: AnchorView): void {
    const key = `${anchor.custodian} ${anchor.root} ${anchor.count}`;
    const isNamed = this.#custodians.some(({ peer }) => peer === anchor.custodian);
    const anchors = isNamed ? this.#anchors : this.#strangersAnchors;
    const known = anchors.get(key);
    anchors.set(key, {
      ...anchor,
      transaction: anchor.transaction ?? known?.transaction ?? null,
      boardIndex: anchor.boardIndex ?? known?.boardIndex ?? null,
      atMs: Math.min(anchor.atMs, known?.atMs ?? anchor.atMs),
    });
    const oldest = anchors.keys().next().value;
    if (anchors.size > anchorsMax && oldest !== undefined) anchors.delete(oldest);
  }
}

function isFrom({ at, place }: LedgerEvent, other: LedgerEventView | undefined): boolean {
  return other !== undefined && (BigInt(other.at) > at || (BigInt(other.at) === at && other.place >= place));
}

function eventView(event: LedgerEvent): LedgerEventView {
  const { at, place, timeMs, transaction, kind } = event;
  return {
    at: at.toString(),
    place,
    timeMs,
    transaction,
    kind,
    grantId: 'grantId' in event ? event.grantId : null,
    status: kind === 'ended' ? event.status : null,
    amount: kind === 'ended' ? event.toBuyer.toString() : kind === 'withdrawn' ? event.amount.toString() : null,
    custodian: kind === 'anchored' ? event.custodian : null,
    root: kind === 'anchored' ? event.root : null,
    count: kind === 'anchored' ? Number(event.count) : null,
  };
}
