import type { Overview, RelayTransport } from '@pulsemesh/node/api';
import { PeerMap, RoleMark } from '../charts/peer-map.tsx';
import { RelaySessions } from '../components/relay-sessions.tsx';
import { Loading, Notice, PageTitle } from '../components/small.tsx';
import { formatBytes, formatCount, formatDuration, formatPlural, shortId } from '../format.ts';
import { usePageState, useSecond, useTools } from '../state/hooks.ts';
import type { ShownPeer } from '../state/network-memory.ts';

/** The peers, their roles and connections, as they come and go. */
export function NetworkPage() {
  const { network, overview } = usePageState();
  const { client, store } = useTools();
  const nowMs = useSecond();
  const move = async (peerId: string, relay: string, transport: RelayTransport) => {
    await client.moveRelay(peerId, relay, transport);
    store.setNetwork(await client.network());
  };
  if (network === null) return <Loading what="the network" />;
  const alive = network.peers.filter((peer) => peer.isAlive);
  return (
    <>
      <PageTitle aside={<p className="title-aside">{formatPlural(alive.length, 'peer alive', 'peers alive')}</p>}>
        Network
      </PageTitle>
      {overview === null ? null : <Counts overview={overview} nowMs={nowMs} />}
      {network.peers.length === 0 ? (
        <Notice title="No peer is known yet." />
      ) : (
        <>
          <figure className="panel map-panel">
            <PeerMap peers={network.peers} self={network.self} />
          </figure>
          {network.hiddenCount > 0 ? (
            <p className="quiet">
              {formatPlural(network.hiddenCount, 'further peer is', 'further peers are')} not shown.
            </p>
          ) : null}
          <PeerTable peers={network.peers} self={network.self} nowMs={nowMs} />
          <RelaySessions peers={network.peers} onMove={move} />
        </>
      )}
    </>
  );
}

function Counts({ overview, nowMs }: { readonly overview: Overview; readonly nowMs: number }) {
  const { counts } = overview;
  const facts: readonly (readonly [string, string])[] = [
    ['Readings', formatCount(counts.readings)],
    ['Windows', formatCount(counts.windows)],
    ['Predictions', formatCount(counts.predictions)],
    ['Open alerts', formatCount(counts.alertsOpen)],
    ['Mails sent', formatCount(counts.notifications)],
    ['Up for', formatDuration(nowMs - overview.startedMs)],
  ];
  return (
    <dl className="counts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface PeerTableProps {
  readonly peers: readonly ShownPeer[];
  readonly self: string;
  readonly nowMs: number;
}

function PeerTable({ peers, self, nowMs }: PeerTableProps) {
  return (
    <div className="table-frame">
      <table className="table table-stack">
        <caption className="visually-hidden">Peers</caption>
        <thead>
          <tr>
            <th scope="col">Role</th>
            <th scope="col">State</th>
            <th scope="col">Peer</th>
            <th scope="col" className="numeric">
              pid
            </th>
            <th scope="col" className="numeric">
              Connections
            </th>
            <th scope="col" className="numeric">
              Patients
            </th>
            <th scope="col" className="numeric">
              Memory
            </th>
          </tr>
        </thead>
        <tbody>
          {peers.map((peer) => (
            <tr key={peer.peerId} className={peer.isAlive ? '' : 'row-gone'}>
              <th scope="row">
                <span className="role-cell">
                  <RoleMark roles={peer.roles} isAlive={peer.isAlive} />
                  {peer.roles.join(', ') || 'no role'}
                  {peer.peerId === self ? ' (this one)' : ''}
                </span>
              </th>
              <td data-label="State">{stateText(peer, nowMs)}</td>
              <td data-label="Peer">
                <span className="id" title={peer.peerId}>
                  {shortId(peer.peerId)}
                </span>
              </td>
              <td data-label="pid" className="numeric">
                {peer.pid}
              </td>
              <td data-label="Connections" className="numeric">
                {peer.isAlive ? formatCount(peer.connections.length) : '–'}
              </td>
              <td data-label="Patients" className="numeric">
                {peer.patientCount === null || !peer.isAlive ? '–' : formatCount(peer.patientCount)}
              </td>
              <td data-label="Memory" className="numeric">
                {peer.rssBytes === null || !peer.isAlive ? '–' : formatBytes(peer.rssBytes)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function stateText(peer: ShownPeer, nowMs: number): string {
  if (peer.isAlive) return `alive for ${formatDuration(nowMs - peer.startedMs)}`;
  return peer.goneSinceMs === null ? 'gone' : `gone for ${formatDuration(nowMs - peer.goneSinceMs)}`;
}
