import { join } from 'node:path';
import { startTicker } from '@pulsemesh/base';
import type { Identity } from '@pulsemesh/identity';
import type { RoleName } from '@pulsemesh/network';
import { makeDirectory } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { NodeConfig, NodeSecrets } from '../config/node-config.ts';
import type { RelaySessions } from '../relay/relay-sessions.ts';
import { type PeerStatus, processFacts, serveStatus } from '../status/status.ts';
import { version } from '../version.ts';
import { createOverlay } from './create-overlay.ts';
import { refreshDaily } from './fresh-identity.ts';
import { NodeContext, type NodeDependencies, type StartedRole } from './node-context.ts';
import { loadNodeIdentity } from './node-identity.ts';

/** A node that is up; dispose it to let its roles finish what they hold and stop. */
export interface RunningNode extends AsyncDisposable {
  readonly peerId: PeerId;
  readonly roles: readonly RoleName[];
  /** Multiaddrs it can be dialled at. */
  readonly addresses: readonly string[];
  /** Ports of its roles, by what they are for: `mqtt`, `http`. */
  readonly ports: Readonly<Record<string, number>>;
  /** How much its roles still have to do with what they were given; 0 when all is done. */
  pending(): number;
}

// The order in which the roles of one process start: the gateway first, because it holds the directory that the
// others ask; whoever takes readings last, because then everybody it hands them to is there.
const startOrder: readonly RoleName[] = [
  'bootstrap',
  'relay',
  'board',
  'ledger',
  'gateway',
  'storage',
  'custodian',
  'research',
  'prediction',
  'notification',
  'aggregation',
  'ingest',
];

// Each role's code is loaded by the processes that run it and by no other.
const starters: Readonly<Record<RoleName, ((context: NodeContext) => Promise<StartedRole>) | null>> = {
  bootstrap: null, // the network itself is all it does
  relay: async (context) => (await import('../roles/relay.ts')).startRelayRole(context),
  ledger: async (context) => (await import('../roles/ledger.ts')).startLedgerRole(context),
  custodian: async (context) => (await import('../roles/custodian.ts')).startCustodianRole(context),
  research: async (context) => (await import('../roles/research.ts')).startResearch(context),
  board: async (context) => (await import('../roles/board.ts')).startBoardRole(context),
  gateway: async (context) => (await import('../roles/gateway.ts')).startGateway(context),
  storage: async (context) => (await import('../roles/storage.ts')).startStorage(context),
  prediction: async (context) => (await import('../roles/prediction.ts')).startPrediction(context),
  notification: async (context) => (await import('../roles/notification.ts')).startNotification(context),
  aggregation: async (context) => (await import('../roles/aggregation.ts')).startAggregation(context),
  ingest: async (context) => (await import('../roles/ingest.ts')).startIngest(context),
};

/**
 * Starts one node with the roles that its configuration names.
 * @throws what the identity, the network, the stores and the roles throw; whatever had started is stopped again.
 */
export async function startNode(
  config: NodeConfig,
  secrets: NodeSecrets,
  deps: NodeDependencies,
): Promise<RunningNode> {
  makeDirectory(config.dataDirectory);
  const identity = await loadNodeIdentity(config, secrets, deps);
  const { startLibp2pNetwork } = await import('@pulsemesh/network');
  await using stack = new AsyncDisposableStack();
  const refresh = () => loadNodeIdentity(config, secrets, deps);
  stack.use(refreshDaily(refresh, deps));
  const relays = config.relays.length === 0 ? null : stack.use(await connectToRelays(config, identity, deps));
  const network = stack.use(
    await startLibp2pNetwork(
      {
        identityKeyBytes: identity.libp2pPrivateKeyBytes,
        listen: config.listen,
        isDirect: !config.firewalled,
        ...(relays === null ? {} : { relayed: relays.streams }),
        bootstrap: config.bootstrap,
        roles: config.roles,
        dataDirectory: join(config.dataDirectory, 'network'),
        trust: { peers: config.trust },
        ...(config.allow === undefined ? {} : { allow: config.allow }),
        ...(config.nat === undefined ? {} : { nat: config.nat }),
      },
      {
        ...deps,
        ...(config.pubsub === 'upsycle' ? { pubSub: await createOverlay(config, deps, secrets.lanSecret) } : {}),
      },
    ),
  );
  const startedMs = deps.clock.now();
  const started: StartedRole[] = [];
  const status = (): PeerStatus => ({
    name: config.name,
    version,
    pid: process.pid,
    startedMs,
    rssBytes: processFacts(deps.clock).rssBytes,
    connections: [...network.connections()],
    patientCount: countPatients(started),
    isFirewalled: config.firewalled,
    relays: [...(relays?.status() ?? [])],
  });
  const context = stack.use(new NodeContext(config, secrets, deps, identity, network, status, relays));
  measureProcess(context);
  const moveRelay: NodeContext['moveRelay'] = (relay, transport) => context.moveRelay(relay, transport);
  context.stack.use(serveStatus(network, { status, metrics: () => deps.meter.text(), moveRelay }));
  for (const role of startOrder) {
    if (!config.roles.includes(role)) continue;
    const start = starters[role];
    if (start !== null) started.push(await start(context));
    deps.logger.info('role started', { role });
  }
  if (config.witness !== undefined) {
    const { startWitnessing } = await import('../roles/board.ts');
    started.push(await startWitnessing(context, config.witness));
  }
  const rest = stack.move();
  return {
    peerId: identity.peerId,
    roles: config.roles,
    addresses: network.addresses(),
    ports: Object.assign({}, ...started.map((role) => role.ports)),
    pending: () => started.reduce((sum, role) => sum + (role.pending?.() ?? 0), 0),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

// Loaded only where there are relays: the rest of the network does without.
async function connectToRelays(config: NodeConfig, identity: Identity, deps: NodeDependencies): Promise<RelaySessions> {
  const { connectRelays } = await import('../relay/connect-relays.ts');
  return connectRelays(config, identity, deps);
}

function countPatients(started: readonly StartedRole[]): number | null {
  const counts = started.flatMap((role) => role.patientCount?.() ?? []);
  return counts.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0);
}

const measurePeriodMs = 5_000;

function measureProcess({ deps, stack }: NodeContext): void {
  const rss = deps.meter.gauge('process_resident_memory_bytes', 'Memory of the process');
  const cpu = deps.meter.gauge('process_cpu_seconds', 'Processor time used since the start');
  const up = deps.meter.gauge('process_up_seconds', 'Time since the start');
  const measure = () => {
    const facts = processFacts(deps.clock);
    rss.set(facts.rssBytes);
    cpu.set(facts.cpuSeconds);
    up.set(facts.upSeconds);
  };
  measure();
  const ticker = startTicker(deps.clock, measurePeriodMs, measure, () => {});
  stack.defer(() => ticker.stop());
}
