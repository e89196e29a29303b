import { assert, type Random } from '@pulsemesh/base';

/** A non-negative fraction of whole numbers; the denominator is above 0. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** σ² in steps may be 1 … this: wider noise would leave the 32 bits of a sum in any case. */
export const varianceMax = 2 ** 52;

/**
 * Draws whole numbers k with probability proportional to exp(−k² / 2σ²), exactly: only whole-number arithmetic and uniform bits, so
 * that no floating-point error tells anything (Canonne, Kamath & Steinke 2020, arXiv:2004.00010, algorithms 1 to 3).
 * `variance` is σ² in steps, a whole number 1 … {@link varianceMax}. Time varies with what is drawn: whoever can time it to the
 * microsecond from outside is not among those it protects against.
 */
export function createDiscreteGaussian(variance: number, { random }: { readonly random: Random }): () => number {
  assert(
    Number.isInteger(variance) && variance >= 1 && variance <= varianceMax,
    'the variance is a whole number of steps',
  );
  const bits = createBits(random);
  const square = BigInt(variance);
  const scale = BigInt(Math.floor(Math.sqrt(variance)) + 1);
  const denominator = 2n * square * scale * scale;
  return () => {
    for (;;) {
      const drawn = drawLaplace(bits, scale);
      const away = (drawn < 0n ? -drawn : drawn) * scale - square;
      if (isHit(bits, { numerator: away * away, denominator })) return Number(drawn);
    }
  };
}

/** Two-sided geometric distribution: k with probability proportional to exp(−|k| / scale) (algorithm 2). */
function drawLaplace(bits: Bits, scale: bigint): bigint {
  for (;;) {
    const part = bits.below(scale);
    if (!isSmallHit(bits, { numerator: part, denominator: scale })) continue;
    let whole = 0n;
    while (isSmallHit(bits, one)) whole += 1n;
    const size = part + scale * whole;
    const isNegative = bits.below(2n) === 1n;
    // Zero would else come twice as often.
    if (isNegative && size === 0n) continue;
    return isNegative ? -size : size;
  }
}

const one: Fraction = { numerator: 1n, denominator: 1n };

/** True with probability exp(−γ), for any γ ≥ 0 (algorithm 1). */
function isHit(bits: Bits, { numerator, denominator }: Fraction): boolean {
  const whole = numerator / denominator;
  for (let count = 0n; count < whole; count += 1n) if (!isSmallHit(bits, one)) return false;
  return isSmallHit(bits, { numerator: numerator % denominator, denominator });
}

/** The same for γ ≤ 1: by von Neumann's series, each term a coin of probability γ / k. */
function isSmallHit(bits: Bits, { numerator, denominator }: Fraction): boolean {
  let count = 1n;
  while (bits.below(denominator * count) < numerator) count += 1n;
  return count % 2n === 1n;
}

interface Bits {
  /** Uniform 0 … below − 1. */
  below(below: bigint): bigint;
}

const bufferBytes = 2048;

/** Uniform whole numbers by rejection; bytes are drawn by the kilobyte, since a call for few costs as much. */
function createBits(random: Random): Bits {
  let buffer: Uint8Array = new Uint8Array(0);
  let used = 0;
  const byte = () => {
    if (used === buffer.length) {
      buffer = random.bytes(bufferBytes);
      used = 0;
    }
    used += 1;
    return buffer[used - 1] as number; // below the length
  };
  const small = (below: number) => {
    const width = 32 - Math.clz32(below - 1);
    for (;;) {
      let value = 0;
      for (let bit = 0; bit < width; bit += 8) value = value * 256 + byte();
      const drawn = value % 2 ** width;
      if (drawn < below) return drawn;
    }
  };
  return {
    below(below) {
      if (below <= 0xffff_ffffn) return BigInt(small(Number(below)));
      const width = below.toString(2).length;
      const mask = (1n << BigInt(width)) - 1n;
      for (;;) {
        let value = 0n;
        for (let bit = 0; bit < width; bit += 8) value = (value << 8n) | BigInt(byte());
        const drawn = value & mask;
        if (drawn < below) return drawn;
      }
    },
  };
}
