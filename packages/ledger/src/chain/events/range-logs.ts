import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';
import type { ChainAsker, ChainLog, LogFilter } from '../reading/chain-answers.ts';
import { ProviderFailure, RpcError } from '../rpc/rpc-errors.ts';

/** Remembers what range of blocks providers answer, since each has its own limit. */
export class RangeSize {
  #blocks: bigint = BigInt(chainLimits.logBlocksMax);

  get blocks(): bigint {
    return this.#blocks;
  }

  /** @returns false when it is one block already. */
  halve(): boolean {
    if (this.#blocks <= 1n) return false;
    this.#blocks /= 2n;
    return true;
  }

  /** Grows again slowly: a range is refused for its number of logs too, which is not the same everywhere. */
  succeeded(): void {
    const max = BigInt(chainLimits.logBlocksMax);
    this.#blocks += this.#blocks / 16n + 1n;
    if (this.#blocks > max) this.#blocks = max;
  }
}

/** What providers say to a range that is too long for them is not agreed anywhere: any error but a revert may mean it. */
export function isAboutRange(error: unknown): boolean {
  if (error instanceof RpcError) return !error.isRevert && error.rpcCode !== -32_601;
  return error instanceof ProviderFailure && (error.fault === 'size' || error.fault === 'timeout');
}

/** Logs from `filter.from` to at most `filter.until`: as far as the provider answers at once. */
export async function logsFrom(
  asker: ChainAsker,
  filter: LogFilter,
  size: RangeSize,
): Promise<{ readonly logs: readonly ChainLog[]; readonly until: bigint }> {
  for (;;) {
    const last = filter.from + size.blocks - 1n;
    const until = last < filter.until ? last : filter.until;
    try {
      const logs = await asker.logs({ ...filter, until });
      size.succeeded();
      return { logs, until };
    } catch (error) {
      if (until === filter.from || !isAboutRange(error) || !size.halve()) throw error;
    }
  }
}

/** The newest log that `isIt` takes, from `until` back to `from`, as far as {@link chainLimits}.searchesMax answers reach. */
export async function findLog(
  asker: ChainAsker,
  filter: LogFilter & { readonly topics: readonly (Hex | readonly Hex[] | null)[] },
  isIt: (log: ChainLog) => boolean,
): Promise<ChainLog | null> {
  let blocks = filter.until - filter.from + 1n;
  let { until } = filter;
  for (let searches = 0; searches < chainLimits.searchesMax && until >= filter.from; searches += 1) {
    const first = until - blocks + 1n;
    const from = first > filter.from ? first : filter.from;
    try {
      const logs = await asker.logs({ ...filter, from, until });
      const found = logs.findLast(isIt);
      if (found !== undefined) return found;
      until = from - 1n;
    } catch (error) {
      if (blocks <= 1n || !isAboutRange(error)) throw error;
      blocks = blocks > 100_000n ? 100_000n : blocks / 2n;
    }
  }
  return null;
}
