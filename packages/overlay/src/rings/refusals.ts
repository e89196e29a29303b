/** Why an input was left alone. */
export type RefusalKind =
  | 'unknown-route'
  | 'unproven'
  | 'wrong-proof'
  | 'wrong-peer'
  | 'bad-descriptor'
  | 'out-of-reach'
  | 'unasked'
  | 'too-often'
  | 'too-many'
  | 'malformed'
  | 'forged'
  /** Signed content that was here before, sealed anew by somebody else. */
  | 'copied'
  | 'too-old'
  | 'too-early';

/** Counts what was refused, by kind; for metrics. */
export class Refusals {
  readonly #counts = new Map<RefusalKind, number>();

  count(kind: RefusalKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  get counts(): ReadonlyMap<RefusalKind, number> {
    return this.#counts;
  }
}
