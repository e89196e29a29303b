import { type RelaySessionView, type RelayTransport, relayTransports } from '@pulsemesh/node/api';
import { type FormEvent, useId, useState } from 'react';
import { RoleMark } from '../charts/peer-map.tsx';
import { formatCount, shortId } from '../format.ts';
import type { ShownPeer } from '../state/network-memory.ts';
import { isRelayTransport, transportName } from '../state/relay-sessions.ts';

export interface RelaySessionsProps {
  readonly peers: readonly ShownPeer[];
  /** Ends when the session runs there; its rejection is shown. */
  readonly onMove: (peerId: string, relay: string, transport: RelayTransport) => Promise<void>;
}

/** On what each session with a relay runs, and a way to move it. Nothing where there are no relays. */
export function RelaySessions({ peers, onMove }: RelaySessionsProps) {
  const titleId = useId();
  const rows = peers
    .flatMap((peer) => (peer.isAlive ? peer.relays.map((session) => ({ peer, session })) : []))
    .sort((one, other) => Number(other.peer.isFirewalled) - Number(one.peer.isFirewalled));
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby={titleId}>
      <h2 id={titleId}>Relay sessions</h2>
      <p className="quiet">
        A session goes on without loss when it moves from one transport to another, by itself or by hand.
      </p>
      <div className="table-frame">
        <table className="table table-stack table-wide table-sessions">
          <caption className="visually-hidden">Relay sessions</caption>
          <thead>
            <tr>
              <th scope="col">Peer</th>
              <th scope="col">Runs on</th>
              <th scope="col" className="numeric">
                Round trip
              </th>
              <th scope="col" className="numeric">
                Moves
              </th>
              <th scope="col">In between</th>
              <th scope="col">Move to</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ peer, session }) => (
              <SessionRow key={`${peer.peerId} ${session.relay}`} peer={peer} session={session} onMove={onMove} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface SessionRowProps {
  readonly peer: ShownPeer;
  readonly session: RelaySessionView;
  readonly onMove: RelaySessionsProps['onMove'];
}

function SessionRow({ peer, session, onMove }: SessionRowProps) {
  const role = peer.roles.join(', ') || 'no role';
  return (
    <tr>
      <th scope="row">
        <span className="role-cell">
          <RoleMark roles={peer.roles} isAlive />
          <span>
            {role} <span className="id">{shortId(peer.peerId)}</span>
            {peer.isFirewalled ? <span className="row-detail">behind a firewall: by relay alone</span> : null}
          </span>
        </span>
      </th>
      <td data-label="Runs on">
        {/* A new key for each move, so that the mark of the move is drawn again. */}
        <span key={session.migrations} className={session.migrations > 0 ? 'transport has-moved' : 'transport'}>
          {runsOn(session)}
        </span>
        <span className="row-detail">{session.url}</span>
      </td>
      <td data-label="Round trip" className="numeric">
        {session.rttMs === null ? '–' : `${formatCount(session.rttMs)} ms`}
      </td>
      <td data-label="Moves" className="numeric">
        {formatCount(session.migrations)}
      </td>
      <td data-label="In between">{inBetween(session)}</td>
      <td data-label="Move to">
        <MoveForm
          about={`session of ${role} ${shortId(peer.peerId)}`}
          current={session.transport}
          onMove={(transport) => onMove(peer.peerId, session.relay, transport)}
        />
      </td>
    </tr>
  );
}

interface MoveFormProps {
  readonly about: string;
  readonly current: string | null;
  readonly onMove: (transport: RelayTransport) => Promise<void>;
}

function MoveForm({ about, current, onMove }: MoveFormProps) {
  const others = relayTransports.filter((transport) => transport !== current);
  const [chosen, setChosen] = useState<RelayTransport | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [said, setSaid] = useState<{ readonly text: string; readonly isProblem: boolean } | null>(null);
  // What was chosen may be where it runs by now.
  const transport = chosen !== null && chosen !== current ? chosen : (others[0] ?? 'long-poll');

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setIsBusy(true);
    setSaid({ text: `Moving to ${transportName(transport)}…`, isProblem: false });
    try {
      await onMove(transport);
      setSaid({ text: `Runs on ${transportName(transport)}.`, isProblem: false });
    } catch (error) {
      setSaid({ text: `Not moved. ${error instanceof Error ? error.message : 'Try again.'}`, isProblem: true });
    } finally {
      setIsBusy(false);
    }
  };

  return (
    <form className="move" onSubmit={(event) => void submit(event)}>
      <select
        aria-label={`Transport for the ${about}`}
        value={transport}
        onChange={({ target }) => isRelayTransport(target.value) && setChosen(target.value)}
      >
        {others.map((name) => (
          <option key={name} value={name}>
            {transportName(name)}
          </option>
        ))}
      </select>
      <button type="submit" className="button-quiet" disabled={isBusy}>
        Move
        <span className="visually-hidden"> the {about}</span>
      </button>
      <span role="status" className={said?.isProblem ? 'problem' : 'row-detail'}>
        {said?.text}
      </span>
    </form>
  );
}

function runsOn(session: RelaySessionView): string {
  if (session.state === 'closed') return 'closed';
  return session.transport === null ? 'connecting…' : transportName(session.transport);
}

function inBetween({ isIntercepted, proxy, tls }: RelaySessionView): string {
  const facts: string[] = [];
  if (isIntercepted === true) facts.push('TLS is opened on the way; contents stay sealed');
  if (proxy !== null) facts.push(`proxy ${proxy}`);
  if (tls === 'plaintext') facts.push('no TLS; contents are sealed');
  if (facts.length > 0) return facts.join(' · ');
  return isIntercepted === null ? 'not known' : 'nothing seen';
}
