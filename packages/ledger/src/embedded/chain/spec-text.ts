import { z } from 'zod';
import { ChainDamagedError } from '../errors.ts';
import { fromHex, toHex } from '../state/hex.ts';
import type { ChainSpec } from './block.ts';

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));

const shape = z.object({
  chainId: z.int().positive(),
  sealer: hex(32),
  coinbase: hex(20),
  timestamp: z.int().nonnegative(),
  balances: z.array(z.tuple([hex(20), z.string().regex(/^[0-9a-f]{1,64}$/)])),
});

/** A chain's spec as its database keeps it. */
export function specText(spec: ChainSpec): string {
  const balances = [...spec.balances].map(([address, balance]) => [address, balance.toString(16)]);
  const { chainId, timestamp } = spec;
  return JSON.stringify({ chainId, sealer: toHex(spec.sealer), coinbase: toHex(spec.coinbase), timestamp, balances });
}

/** @throws {ChainDamagedError} */
export function parseSpec(text: string | undefined): ChainSpec {
  try {
    const { chainId, sealer, coinbase, timestamp, balances } = shape.parse(JSON.parse(text ?? ''));
    return {
      chainId,
      sealer: fromHex(sealer),
      coinbase: fromHex(coinbase),
      timestamp,
      balances: new Map(balances.map(([address, balance]) => [address, BigInt(`0x${balance}`)])),
    };
  } catch (error) {
    throw new ChainDamagedError('spec', 0, { cause: error });
  }
}
