import type { ChainAsker } from '../reading/chain-answers.ts';
import { RpcError } from '../rpc/rpc-errors.ts';

/** What a unit of gas is offered, wei. */
export interface Fees {
  /** At most, of which what is not needed comes back. */
  readonly feePerGas: bigint;
  /** For whoever seals. */
  readonly tip: bigint;
  /** A chain older than EIP-1559: `feePerGas` is the price. */
  readonly isLegacy: boolean;
  /** What the next block surely takes. */
  readonly needed: bigint;
}

/** What is asked for now. A base fee may double until the transaction is sealed (six full blocks), so twice of it is offered. */
export async function currentFees(asker: ChainAsker): Promise<Fees> {
  const { baseFee } = await asker.head();
  if (baseFee === null) {
    const price = await asker.gasPrice();
    return { feePerGas: price, tip: price, isLegacy: true, needed: price };
  }
  const tip = await tipOf(asker, baseFee);
  return { feePerGas: 2n * baseFee + tip, tip, isLegacy: false, needed: baseFee + tip };
}

/** Where the question is not known, what the asked price holds beyond the base fee. */
async function tipOf(asker: ChainAsker, baseFee: bigint): Promise<bigint> {
  try {
    return await asker.tip();
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const price = await asker.gasPrice();
    return price > baseFee ? price - baseFee : 0n;
  }
}

/** Within the cap, or null where not even what is needed now is. */
export function cappedFees(fees: Fees, feePerGasMax: bigint | null): Fees | null {
  if (feePerGasMax === null || fees.feePerGas <= feePerGasMax) return fees;
  if (fees.needed > feePerGasMax) return null;
  return { ...fees, feePerGas: feePerGasMax };
}

/**
 * Fees that replace a transaction: nodes ask for a tenth more of both (geth's and Besu's pools). Null: the cap does not allow it.
 */
export function replacingFees(
  now: Fees,
  before: { readonly feePerGas: bigint; readonly tip: bigint },
  feePerGasMax: bigint | null,
): Fees | null {
  const raised = (value: bigint) => value + value / 8n + 1n;
  const feePerGas = largest(now.feePerGas, raised(before.feePerGas));
  const tip = largest(now.tip, raised(before.tip));
  if (feePerGasMax !== null && feePerGas > feePerGasMax) return null;
  return { ...now, feePerGas: largest(feePerGas, tip), tip };
}

function largest(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
