import { useEffect, useMemo, useReducer, useRef } from 'react';
import { shortId } from '../format.ts';
import type { ShownPeer } from '../state/network-memory.ts';
import { connectionsOf, narrowMap, PeerLayout, wideMap } from './peer-layout.ts';
import { roleLook } from './role-look.ts';

export interface PeerMapProps {
  readonly peers: readonly ShownPeer[];
  /** Peer id of the gateway this page talks to. */
  readonly self: string;
}

/** The peers and who is connected to whom. A table beside it says the same in words. */
export function PeerMap({ peers, self }: PeerMapProps) {
  const layoutRef = useRef<PeerLayout | null>(null);
  layoutRef.current ??= new PeerLayout(window.matchMedia('(width < 46rem)').matches ? narrowMap : wideMap);
  const layout = layoutRef.current;
  const links = useMemo(() => connectionsOf(peers), [peers]);
  const [, redraw] = useReducer((count: number) => count + 1, 0);

  useEffect(() => {
    const change = layout.update(peers, links);
    if (layout.isAtRest) return;
    if (change === 'first' || window.matchMedia('(prefers-reduced-motion: reduce)').matches) {
      layout.settle();
      redraw();
      return;
    }
    let frame = 0;
    const move = () => {
      layout.step();
      redraw();
      if (!layout.isAtRest) frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
    return () => cancelAnimationFrame(frame);
  }, [layout, peers, links]);

  const alive = peers.filter((peer) => peer.isAlive).length;
  const label = `Map of ${peers.length} peers, ${alive} alive, ${links.length} connections. The table below lists them.`;
  return (
    <svg className="peer-map" viewBox={`0 0 ${layout.size.width} ${layout.size.height}`} role="img" aria-label={label}>
      {links.map(({ a, b }) => {
        const from = layout.place(a);
        const to = layout.place(b);
        return <line key={`${a} ${b}`} className="peer-link" x1={from.x} y1={from.y} x2={to.x} y2={to.y} />;
      })}
      {peers.map((peer) => (
        <PeerMark key={peer.peerId} peer={peer} isSelf={peer.peerId === self} place={layout.place(peer.peerId)} />
      ))}
    </svg>
  );
}

interface PeerMarkProps {
  readonly peer: ShownPeer;
  readonly isSelf: boolean;
  readonly place: { readonly x: number; readonly y: number };
}

function PeerMark({ peer, isSelf, place }: PeerMarkProps) {
  const look = roleLook(peer.roles);
  const state = peer.isAlive ? 'is-alive' : 'is-gone';
  return (
    <g
      className={`peer ${state} tone-${look.tone}`}
      transform={`translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})`}
    >
      <title>{`${look.name} ${peer.peerId}`}</title>
      <path className="peer-ground" d={look.path} />
      <path className="peer-shape" d={look.path} />
      {isSelf ? <circle className="peer-self" r="18" /> : null}
      <text className="peer-name" y="29">
        {look.name}
      </text>
      <text className="peer-detail" y="42">
        {peer.isAlive ? `${isSelf ? 'this one, ' : ''}pid ${peer.pid}` : `gone ${shortId(peer.peerId)}`}
      </text>
    </g>
  );
}

/** The same shape beside a word in the table. */
export function RoleMark({ roles, isAlive }: { readonly roles: readonly string[]; readonly isAlive: boolean }) {
  const look = roleLook(roles);
  return (
    <svg
      className={`role-mark tone-${look.tone} ${isAlive ? 'is-alive' : 'is-gone'}`}
      viewBox="-15 -15 30 30"
      aria-hidden="true"
    >
      <path className="peer-shape" d={look.path} />
    </svg>
  );
}
