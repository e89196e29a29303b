import type { Clock } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base';
import { type NetworkPort, type ProtocolName, type RpcClient, serveRpc } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import { z } from 'zod';

/** What peers tell trusted peers about themselves, for the operator. */
export const statusProtocol: ProtocolName = '/pulsemesh/status/1';

const statusSchema = z.object({
  /** What its operator calls the node. */
  name: z.string().max(63),
  version: z.string().max(64),
  pid: z.int().min(0),
  startedMs: z.number().min(0),
  rssBytes: z.number().min(0),
  /** Peers it is connected to. */
  connections: z.array(z.string().max(128)).max(4_096),
  /** Subjects it aggregates now; null where it does not aggregate. */
  patientCount: z.int().min(0).nullable(),
});

/** One peer's word about itself. */
export type PeerStatus = z.output<typeof statusSchema>;

/** A peer's answer does not have the agreed shape. */
export class MalformedStatusError extends Condition {
  override readonly name = 'MalformedStatusError';
  constructor() {
    super('malformed-status', 'the peer answered with something that is no status');
  }
}

/** Text of metrics taken from one peer at most; the rest is left out by refusing it. */
export const metricsBytesMax = 1024 * 1024;
const timeoutMs = 2_000;

/** Serves `status` and `metrics` to trusted peers. Dispose to stop. */
export function serveStatus(
  port: NetworkPort,
  sources: { readonly status: () => PeerStatus; readonly metrics: () => Promise<string> },
): Disposable {
  return serveRpc(
    port,
    statusProtocol,
    { status: async () => sources.status(), metrics: () => sources.metrics() },
    { requireTrusted: true },
  );
}

/** @throws {MalformedStatusError}; what {@link RpcClient.call} throws. */
export async function askStatus(rpc: RpcClient, peer: PeerId): Promise<PeerStatus> {
  const result = statusSchema.safeParse(await rpc.call(peer, statusProtocol, 'status', null, { timeoutMs }));
  if (!result.success) throw new MalformedStatusError();
  return result.data;
}

/** @throws {MalformedStatusError}; what {@link RpcClient.call} throws. */
export async function askMetrics(rpc: RpcClient, peer: PeerId): Promise<string> {
  const text = await rpc.call(peer, statusProtocol, 'metrics', null, { timeoutMs });
  if (typeof text !== 'string' || text.length > metricsBytesMax) throw new MalformedStatusError();
  return text;
}

/** Facts of this process that change: read anew at each call. */
export function processFacts(clock: Clock): {
  readonly rssBytes: number;
  readonly cpuSeconds: number;
  readonly upSeconds: number;
} {
  const { user, system } = process.cpuUsage();
  return {
    rssBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    upSeconds: clock.monotonicMs() / 1000,
  };
}
