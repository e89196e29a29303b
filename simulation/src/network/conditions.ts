/** What the network does to messages and dials. Rates are probabilities, 0 … 1. */
export interface Conditions {
  /** A message on an open connection is lost, as when a queue overflows or a stream is reset. */
  readonly lossRate: number;
  /** A message arrives twice. */
  readonly duplicationRate: number;
  /** A message is overtaken by what follows it, held back up to `reorderingMsMax`. */
  readonly reorderingRate: number;
  readonly reorderingMsMax: number;
}

/** A network that does nothing wrong. */
export const fairConditions: Conditions = {
  lossRate: 0,
  duplicationRate: 0,
  reorderingRate: 0,
  reorderingMsMax: 200,
};

/** Which groups of places do not reach which: directed, so that a partition may be asymmetric. */
export class Partitions {
  readonly #blocked = new Set<number>();

  /** Nothing goes from one group (0 … 255) to the other any more. */
  block(fromGroup: number, toGroup: number): void {
    this.#blocked.add(fromGroup * 256 + toGroup);
  }

  unblock(fromGroup: number, toGroup: number): void {
    this.#blocked.delete(fromGroup * 256 + toGroup);
  }

  isBlocked(fromGroup: number, toGroup: number): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(fromGroup * 256 + toGroup);
  }
}
