import { assert, Condition } from '@pulsemesh/base';

/** How values become whole numbers that can be summed modulo 2^32 without going round. */
export interface FixedPointTerms {
  /** Values are clipped to ±range. */
  readonly range: number;
  /** Steps per unit: a value becomes round(value × steps). */
  readonly steps: number;
  /** At most so many vectors are summed. */
  readonly sites: number;
  /** What each site may add afterwards to each encoded value, as noise, in steps. Default 0. */
  readonly marginSteps?: number;
}

/** A value to encode is not a number: the model diverged, or a record is broken. Says where, never what. */
export class NotANumberError extends Condition {
  override readonly name = 'NotANumberError';
  constructor(index: number) {
    super('not-a-number', `value ${index} of the vector is not a number`, { facts: { index } });
  }
}

/** Why the terms cannot be: the sum could pass ±2^31 and come out as another number. Null: they can. */
export function fixedPointFault({ range, steps, sites, marginSteps = 0 }: FixedPointTerms): string | null {
  if (!(range > 0 && steps > 0 && Number.isFinite(range) && Number.isFinite(steps))) return 'range or steps';
  if (!Number.isInteger(sites) || sites < 1 || !Number.isInteger(marginSteps) || marginSteps < 0)
    return 'sites or margin';
  return sites * (Math.round(range * steps) + marginSteps) < 2 ** 31 ? null : 'the sum does not fit 32 bits';
}

/** Values as words, and how many were outside ±range. */
export interface EncodedVector {
  readonly words: Uint32Array;
  readonly clipped: number;
}

/**
 * Each value clipped, then rounded to the nearest step (halves upwards), modulo 2^32.
 * @throws {NotANumberError} for NaN; infinities are clipped.
 */
export function encodeFixedPoint(values: ArrayLike<number>, terms: FixedPointTerms): EncodedVector {
  assertTerms(terms);
  const { range, steps } = terms;
  const words = new Uint32Array(values.length);
  const signed = new Int32Array(words.buffer);
  let clipped = 0;
  for (let index = 0; index < signed.length; index += 1) {
    const value = values[index] as number; // below the length
    if (value >= -range && value <= range) {
      signed[index] = Math.round(value * steps);
      continue;
    }
    if (Number.isNaN(value)) throw new NotANumberError(index);
    clipped += 1;
    signed[index] = Math.round((value < 0 ? -range : range) * steps);
  }
  return { words, clipped };
}

/** The sum of what was encoded, in units: exactly the sum of the rounded values, divided by `steps`. */
export function decodeFixedPoint(words: Uint32Array, terms: FixedPointTerms): Float64Array {
  assertTerms(terms);
  return Float64Array.from(new Int32Array(words.buffer, words.byteOffset, words.length), (sum) => sum / terms.steps);
}

function assertTerms(terms: FixedPointTerms): void {
  const fault = fixedPointFault(terms);
  assert(fault === null, `terms of an encoding: ${fault}`);
}
