import { assert, Condition } from '@pulsemesh/base';
import { DecodeError, decodeCbor, encodeCbor, equalBytes } from '@pulsemesh/wire';
import { filterLimits } from './interest-filter.ts';

/** Limits of what a budget remembers. */
export const budgetLimits = {
  /** Releases whose set may come again without cost; the oldest goes first. */
  releasesMax: 64,
  stateBytesMax: 8 * 1_024,
} as const;

/** One published filter: which set it was of, and how it was drawn. */
export interface Release {
  /** 16 bytes that say which set of topics, to this device alone. */
  readonly fingerprint: Uint8Array;
  readonly epoch: number;
  /** Thousandths of ε that it cost and was drawn with. */
  readonly epsilonMilli: number;
}

/** A kept state that is none, or of another version. Starting over would spend anew what was spent: somebody must look. */
export class InterestStateRefusedError extends Condition {
  override readonly name = 'InterestStateRefusedError';

  constructor(cause?: unknown) {
    super('interest-state-refused', 'what was kept about published interest filters cannot be read', {
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/**
 * What a device may tell of its interests in its whole life, and what it told. Each release adds its ε (sequential
 * composition); the sum never passes the total. While two releases' worth is left a release costs the wished ε, then
 * half of what is left: the noise widens, and when it would drown everything nothing new is released.
 */
export class PrivacyBudget {
  readonly #totalMilli: number;
  readonly #wishedMilli: number;
  #spentMilli = 0;
  readonly #releases: Release[] = [];

  /** `epsilonTotal` and `epsilon` (of one release) in whole units of ε. */
  constructor(epsilonTotal: number, epsilon: number) {
    this.#totalMilli = Math.round(epsilonTotal * 1_000);
    this.#wishedMilli = Math.round(epsilon * 1_000);
    assert(
      this.#wishedMilli >= filterLimits.epsilonMilliMin && this.#wishedMilli <= filterLimits.epsilonMilliMax,
      'ε of a filter is 0.25 … 20',
    );
  }

  /** Thousandths of ε spent so far. */
  get spentMilli(): number {
    return this.#spentMilli;
  }

  /**
   * The release of this set in this epoch: the earlier one where there was one with this or more noise, which tells
   * nothing new; else a new one, paid for. Undefined where too little is left to tell anything.
   */
  release(fingerprint: Uint8Array, epoch: number): Release | undefined {
    const earlier = this.#releases.find(
      (one) => one.epoch === epoch && one.epsilonMilli <= this.#wishedMilli && equalBytes(one.fingerprint, fingerprint),
    );
    if (earlier !== undefined) return earlier;
    const leftMilli = this.#totalMilli - this.#spentMilli;
    const epsilonMilli = Math.min(this.#wishedMilli, Math.floor(leftMilli / 2));
    if (epsilonMilli < filterLimits.epsilonMilliMin) return undefined;
    this.#spentMilli += epsilonMilli;
    const release = { fingerprint, epoch, epsilonMilli };
    this.#releases.push(release);
    if (this.#releases.length > budgetLimits.releasesMax) this.#releases.shift();
    return release;
  }

  /** To be kept across restarts, together with the filter shown and since when (unix milliseconds). */
  encode(shown: ShownFilter | undefined): Uint8Array {
    const releases = this.#releases.map((one) => [one.fingerprint, one.epoch, one.epsilonMilli]);
    return encodeCbor([1, this.#spentMilli, releases, shown === undefined ? null : [shown.bytes, shown.sinceMs]]);
  }

  /**
   * Takes up what {@link encode} gave.
   * @throws {InterestStateRefusedError}
   */
  restore(state: Uint8Array): ShownFilter | undefined {
    const { spentMilli, releases, shown } = parseState(state);
    this.#spentMilli = spentMilli;
    this.#releases.splice(0, this.#releases.length, ...releases);
    return shown;
  }
}

/** The filter that others have been told of, encoded, and since when (unix milliseconds). */
export interface ShownFilter {
  readonly bytes: Uint8Array;
  readonly sinceMs: number;
}

function parseState(state: Uint8Array) {
  let value: unknown;
  try {
    value = decodeCbor(state, { bytesMax: budgetLimits.stateBytesMax, depthMax: 3 });
  } catch (error) {
    if (error instanceof DecodeError) throw new InterestStateRefusedError(error);
    throw error;
  }
  if (!Array.isArray(value) || value.length !== 4 || value[0] !== 1) throw new InterestStateRefusedError();
  const [, spentMilli, releases, shown] = value as unknown[];
  if (!isCount(spentMilli) || !Array.isArray(releases) || releases.length > budgetLimits.releasesMax) {
    throw new InterestStateRefusedError();
  }
  return { spentMilli, releases: releases.map(parseRelease), shown: shown === null ? undefined : parseShown(shown) };
}

function parseRelease(value: unknown): Release {
  if (!Array.isArray(value) || value.length !== 3) throw new InterestStateRefusedError();
  const [fingerprint, epoch, epsilonMilli] = value as unknown[];
  if (!(fingerprint instanceof Uint8Array) || !isCount(epoch) || !isCount(epsilonMilli)) {
    throw new InterestStateRefusedError();
  }
  return { fingerprint: fingerprint.slice(), epoch, epsilonMilli };
}

function parseShown(value: unknown): ShownFilter {
  if (!Array.isArray(value) || value.length !== 2) throw new InterestStateRefusedError();
  const [bytes, sinceMs] = value as unknown[];
  if (!(bytes instanceof Uint8Array) || !isCount(sinceMs)) throw new InterestStateRefusedError();
  return { bytes: bytes.slice(), sinceMs };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
