import type { NetworkPort, RpcClient } from '@pulsemesh/network';
import { recordKinds } from '@pulsemesh/store';
import { z } from 'zod';

/** Distinct records in storage. */
export interface StoredCounts {
  readonly readings: number;
  readonly windows: number;
  readonly predictions: number;
}

const infoSchema = z.object({ counts: z.array(z.tuple([z.int(), z.int().min(0)])).max(16) });

/**
 * Asks every storage peer how much it holds. Each record lies on two of n peers, so that the sum is about twice
 * the number of distinct records, and the fullest peer's count a lower bound; with one or two peers that bound
 * is exact. Counts never fall: `before` stays where peers are away.
 */
export async function askCounts(
  deps: { readonly port: NetworkPort; readonly rpc: RpcClient },
  before: StoredCounts,
): Promise<StoredCounts> {
  const peers = deps.port.livePeers('storage').slice(0, 64);
  const answers = await Promise.all(
    peers.map(async ({ id }) => {
      const answer = await deps.rpc
        .call(id, '/pulsemesh/storage/1', 'info', null, { timeoutMs: 3_000 })
        .catch(() => null);
      const parsed = infoSchema.safeParse(answer);
      return parsed.success ? new Map(parsed.data.counts) : new Map<number, number>();
    }),
  );
  const countOf = (kind: number) => {
    const counts = answers.map((answer) => answer.get(kind) ?? 0);
    const half = Math.ceil(counts.reduce((sum, count) => sum + count, 0) / 2);
    return Math.max(half, ...counts, 0);
  };
  return {
    readings: Math.max(before.readings, countOf(recordKinds.reading)),
    windows: Math.max(before.windows, countOf(recordKinds.window)),
    predictions: Math.max(before.predictions, countOf(recordKinds.prediction)),
  };
}
