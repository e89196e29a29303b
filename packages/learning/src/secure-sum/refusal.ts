/** Why a machine did not take an input. Nothing changed then, but for the count. */
export type SumRefusal =
  /** Not a message of this step, or with parts of other sizes, orders or numbers than agreed. */
  | 'malformed'
  /** Another attempt, round, task or other terms. */
  | 'other-run'
  /** The step has not come yet, or is over. */
  | 'out-of-order'
  /** Not asked, or not from whom it says it is. */
  | 'stranger'
  /** The same again; or another one in its place, which is never taken. */
  | 'repeated'
  | 'forged'
  /** A key that gives a secret anybody knows. */
  | 'weak-key'
  /** A list or set without this site, or with something else in its name. */
  | 'without-me'
  /** Somebody whose part of an earlier step never came here. */
  | 'never-seen'
  /** Fewer than the terms ask for. */
  | 'too-few'
  /** A second survivor set, other than the first: evidence against whoever committed both. */
  | 'second-set';

/** What came of giving a machine an input. */
export type Taken<Value> =
  | { readonly kind: 'taken'; readonly value: Value }
  | { readonly kind: 'refused'; readonly why: SumRefusal };

/** How often a machine refused what: as many numbers as there are kinds, however much comes. */
export type RefusalCounts = Readonly<Partial<Record<SumRefusal, number>>>;

/** Counts refusals and makes them. */
export class Refusals {
  readonly #counts: Partial<Record<SumRefusal, number>> = {};

  get counts(): RefusalCounts {
    return { ...this.#counts };
  }

  refuse(why: SumRefusal): { readonly kind: 'refused'; readonly why: SumRefusal } {
    this.#counts[why] = (this.#counts[why] ?? 0) + 1;
    return { kind: 'refused', why };
  }
}

export function taken<Value>(value: Value): Taken<Value> {
  return { kind: 'taken', value };
}
