import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type Simulation,
  type SimulationLinkDatum,
  type SimulationNodeDatum,
} from 'd3-force';
import type { ShownPeer } from '../state/network-memory.ts';

export interface PeerNode extends SimulationNodeDatum {
  readonly id: string;
}

export interface PeerLink {
  readonly a: string;
  readonly b: string;
}

/** Size of a map in its own units. */
export interface MapSize {
  readonly width: number;
  readonly height: number;
}

export const wideMap: MapSize = { width: 800, height: 440 };
export const narrowMap: MapSize = { width: 380, height: 520 };
/** Steps of one settling: by then the forces have faded out. */
const settleSteps = 300;

/**
 * Places of peers on the map. Peers keep their place when others come and go. Deterministic: d3-force draws its
 * jitter from its own fixed sequence, and here it is stepped by hand instead of by its timer.
 */
export class PeerLayout {
  readonly #simulation: Simulation<PeerNode, SimulationLinkDatum<PeerNode>>;
  #nodes = new Map<string, PeerNode>();
  #key = '';
  readonly size: MapSize;

  constructor(size: MapSize = wideMap) {
    this.size = size;
    const flatness = size.width / size.height;
    this.#simulation = forceSimulation<PeerNode>()
      .force('charge', forceManyBody<PeerNode>().strength(-1_100).distanceMax(620))
      .force('apart', forceCollide<PeerNode>(46))
      .force('x', forceX<PeerNode>(0).strength(0.12 / flatness))
      .force('y', forceY<PeerNode>(0).strength(0.12 * flatness))
      .stop();
  }

  /** True when nothing is left to move. */
  get isAtRest(): boolean {
    return this.#simulation.alpha() < this.#simulation.alphaMin();
  }

  /** Takes the present peers; 'first' when there were none before. */
  update(peers: readonly ShownPeer[], links: readonly PeerLink[]): 'first' | 'changed' | 'same' {
    const key = `${peers.map((peer) => peer.peerId).join()}|${links.map((link) => `${link.a}-${link.b}`).join()}`;
    if (key === this.#key) return 'same';
    this.#key = key;
    const isFirst = this.#nodes.size === 0;
    const nodes = new Map(peers.map((peer) => [peer.peerId, this.#nodes.get(peer.peerId) ?? { id: peer.peerId }]));
    this.#nodes = nodes;
    this.#simulation.nodes([...nodes.values()]).force(
      'link',
      forceLink<PeerNode, SimulationLinkDatum<PeerNode>>(links.map((link) => ({ source: link.a, target: link.b })))
        .id((node) => node.id)
        .distance(150)
        .strength(0.02),
    );
    this.#simulation.alpha(isFirst ? 1 : 0.35);
    return isFirst ? 'first' : 'changed';
  }

  /** One step; nothing happens at rest. */
  step(): void {
    if (!this.isAtRest) this.#simulation.tick();
  }

  /** All steps at once: for the first look, and for those who asked for less motion. */
  settle(): void {
    for (let count = 0; count < settleSteps; count += 1) this.step();
  }

  /** Where a peer is, inside the map's frame. */
  place(peerId: string): { readonly x: number; readonly y: number } {
    const node = this.#nodes.get(peerId);
    const halfWidth = this.size.width / 2 - 52;
    const halfHeight = this.size.height / 2 - 36;
    const x = Math.min(halfWidth, Math.max(-halfWidth, node?.x ?? 0));
    const y = Math.min(halfHeight, Math.max(-halfHeight, node?.y ?? 0));
    return { x: x + this.size.width / 2, y: y + this.size.height / 2 - 10 };
  }
}

/** Connections as pairs, each once, between peers on the map only. */
export function connectionsOf(peers: readonly ShownPeer[]): readonly PeerLink[] {
  const known = new Set(peers.filter((peer) => peer.isAlive).map((peer) => peer.peerId));
  const pairs = new Map<string, PeerLink>();
  for (const peer of peers) {
    for (const other of peer.connections) {
      if (!known.has(peer.peerId) || !known.has(other) || other === peer.peerId) continue;
      const [a, b] = peer.peerId < other ? [peer.peerId, other] : [other, peer.peerId];
      pairs.set(`${a} ${b}`, { a, b });
    }
  }
  return [...pairs.values()].sort((p, q) => `${p.a} ${p.b}`.localeCompare(`${q.a} ${q.b}`));
}
