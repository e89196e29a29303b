import type { ApiClient } from '@pulsemesh/node';
import type { AlertView, NetworkView, Overview, PatientView, PeerView } from '@pulsemesh/node/api';
import type { Command } from 'commander';
import { connectGateway, type GatewayFlags, withGatewayFlags } from '../gateway-access.ts';
import { type Output, table } from '../output.ts';

/** `pulsemesh status`: what the page says, in the terminal. */
export function addStatus(program: Command, output: Output): void {
  withGatewayFlags(program.command('status'))
    .summary('peers, counts and open alerts: the same story as the page')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh status
  $ pulsemesh status --url http://ward-7:8080 --token-file token --json`,
    )
    .action(async (flags: GatewayFlags & { readonly json?: boolean }) => {
      const status = await askStatus(connectGateway(flags));
      if (flags.json) output.out(JSON.stringify(status, null, 2));
      else for (const line of statusLines(status)) output.out(line);
    });
}

/** What {@link statusLines} shows. */
export interface Status {
  readonly overview: Overview;
  readonly network: NetworkView;
  readonly patients: readonly PatientView[];
  readonly alerts: readonly AlertView[];
}

async function askStatus(client: ApiClient): Promise<Status> {
  const [overview, network, patients, alerts] = await Promise.all([
    client.overview(),
    client.network(),
    client.patients(),
    client.alerts(),
  ]);
  return { overview, network, patients, alerts };
}

/** The status as text. */
export function statusLines({ overview, network, patients, alerts }: Status): readonly string[] {
  const { counts } = overview;
  const open = alerts.filter((alert) => alert.resolvedMs === null);
  const unseen = open.filter((alert) => alert.acknowledged === null);
  const registered = patients.filter((patient) => patient.isRegistered).length;
  const alive = network.peers.filter((peer) => peer.isAlive).length;
  const speed = overview.replaySpeed === null ? '' : `, replaying ${overview.replaySpeed} times faster than life`;
  return [
    `${overview.name} ${overview.version}, up ${duration(overview.nowMs - overview.startedMs)}${speed}`,
    '',
    `patients     ${registered} registered, ${patients.length - registered} unregistered devices`,
    `stored       ${counts.readings} readings, ${counts.windows} windows, ${counts.predictions} predictions`,
    `alerts       ${open.length} open, ${unseen.length} of them not acknowledged; ${counts.notifications} mails sent`,
    `peers        ${alive} of ${network.peers.length} alive`,
    '',
    ...table([
      ['role', 'process', 'connections', 'patients', 'memory', 'state', 'peer'],
      ...[...network.peers]
        .sort(byRole)
        .map((peer) => [
          peer.roles.join('+'),
          String(peer.pid),
          String(peer.connections.length),
          peer.patientCount === null ? '' : String(peer.patientCount),
          peer.rssBytes === null ? '' : `${Math.round(peer.rssBytes / 2 ** 20)} MiB`,
          peer.isAlive ? 'up' : 'gone',
          peer.peerId,
        ]),
    ]),
    ...relayLines(network.peers),
    '',
    overview.disclaimer,
  ];
}

/** Sessions with relays, where there are any. */
function relayLines(peers: readonly PeerView[]): readonly string[] {
  const rows = [...peers]
    .sort(byRole)
    .flatMap((peer) =>
      peer.relays.map((session) => [
        peer.roles.join('+'),
        session.transport ?? session.state,
        session.rttMs === null ? '' : `${session.rttMs} ms`,
        String(session.migrations),
        session.isIntercepted === true ? 'TLS opened' : (session.proxy ?? ''),
        peer.isFirewalled ? 'relay alone' : '',
        session.url,
      ]),
    );
  if (rows.length === 0) return [];
  return ['', ...table([['role', 'relay by', 'round trip', 'moves', 'in between', 'reached', 'relay'], ...rows])];
}

function byRole(one: PeerView, other: PeerView): number {
  return one.roles.join().localeCompare(other.roles.join()) || one.pid - other.pid;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
