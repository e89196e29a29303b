import type { Hex } from '../offer/offer.ts';

/** Limits of an {@link OrdinalBook}. */
export const ordinalLimits = {
  /** Grants that are counted; past it new ones are not. */
  grantsMax: 100_000,
  /** Numbers of one grant that are missed at one time; of a larger gap the first ones. */
  missingMax: 256,
  /** Newest records of one grant whose leaves are remembered, to notice two under one number. */
  leavesMax: 256,
} as const;

interface Counted {
  /** All below were seen or are missing. */
  next: number;
  /** Missing numbers, and since when. */
  readonly missing: Map<number, number>;
  readonly leaves: Map<number, Hex>;
}

/** Which of a custodian's records of each grant were shown: they are numbered from 0, so that one left out shows once a later one is seen. */
export class OrdinalBook {
  readonly #grants = new Map<Hex, Counted>();

  /** @returns false where another record had this number. */
  take(grantId: Hex, ordinal: number, leaf: Hex, nowMs: number): boolean {
    const counted = this.#grants.get(grantId) ?? { next: 0, missing: new Map(), leaves: new Map() };
    if (!this.#grants.has(grantId)) {
      if (this.#grants.size >= ordinalLimits.grantsMax) return true;
      this.#grants.set(grantId, counted);
    }
    const known = counted.leaves.get(ordinal);
    if (known !== undefined) return known === leaf;
    this.#remember(counted, ordinal, leaf);
    counted.missing.delete(ordinal);
    for (let gap = counted.next; gap < ordinal && counted.missing.size < ordinalLimits.missingMax; gap += 1)
      counted.missing.set(gap, nowMs);
    counted.next = Math.max(counted.next, ordinal + 1);
    return true;
  }

  /** Grants of which a number has been missing since `untilMs` or longer. */
  overdue(untilMs: number): readonly Hex[] {
    return [...this.#grants]
      .filter(([, { missing }]) => [...missing.values()].some((sinceMs) => sinceMs <= untilMs))
      .map(([grantId]) => grantId);
  }

  /** Numbers of this grant that were missed until now were seen once, and forgotten. */
  forgive(grantId: Hex): void {
    this.#grants.get(grantId)?.missing.clear();
  }

  #remember({ leaves }: Counted, ordinal: number, leaf: Hex): void {
    leaves.set(ordinal, leaf);
    if (leaves.size > ordinalLimits.leavesMax) leaves.delete(leaves.keys().next().value ?? 0);
  }
}
