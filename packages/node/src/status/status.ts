import type { Clock } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base';
import { BadRequestError, type NetworkPort, type ProtocolName, type RpcClient, serveRpc } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import { z } from 'zod';
import { type RelayTransport, relayTransports } from '../api/types.ts';

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
  isFirewalled: z.boolean().default(false),
  relays: z
    .array(
      z.object({
        relay: z.string().max(128),
        url: z.string().max(512),
        state: z.enum(['connecting', 'up', 'closed']),
        transport: z.string().max(32).nullable(),
        rttMs: z.number().min(0).nullable(),
        migrations: z.int().min(0),
        isIntercepted: z.boolean().nullable(),
        tls: z.string().max(32).nullable(),
        proxy: z.string().max(512).nullable(),
      }),
    )
    .max(16)
    .default([]),
});

const moveSchema = z.tuple([z.string().max(128), z.enum(relayTransports)]);

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
/** A transport that does not pass takes a while to say so; within the time the HTTP server gives a request. */
const moveMs = 8_000;

/** Serves `status` and `metrics` to trusted peers. Dispose to stop. */
export function serveStatus(
  port: NetworkPort,
  sources: {
    readonly status: () => PeerStatus;
    readonly metrics: () => Promise<string>;
    /** Moves the session with a relay to another transport; resolves once it runs on that. */
    readonly moveRelay: (relay: string, transport: RelayTransport) => Promise<void>;
  },
): Disposable {
  return serveRpc(
    port,
    statusProtocol,
    {
      status: async () => sources.status(),
      metrics: () => sources.metrics(),
      async moveRelay(body) {
        const wanted = moveSchema.safeParse(body);
        if (!wanted.success) throw new BadRequestError('a relay and a transport are wanted');
        await sources.moveRelay(...wanted.data);
        return sources.status();
      },
    },
    { requireTrusted: true },
  );
}

/** @throws {MalformedStatusError}; what {@link RpcClient.call} throws. */
export async function askStatus(rpc: RpcClient, peer: PeerId): Promise<PeerStatus> {
  const result = statusSchema.safeParse(await rpc.call(peer, statusProtocol, 'status', null, { timeoutMs }));
  if (!result.success) throw new MalformedStatusError();
  return result.data;
}

/**
 * Asks a peer to move its session with `relay`, and gives its status after that.
 * @throws {MalformedStatusError}; what {@link RpcClient.call} throws.
 */
export async function askMove(
  rpc: RpcClient,
  peer: PeerId,
  relay: string,
  transport: RelayTransport,
): Promise<PeerStatus> {
  const answer = await rpc.call(peer, statusProtocol, 'moveRelay', [relay, transport], { timeoutMs: moveMs });
  const result = statusSchema.safeParse(answer);
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
