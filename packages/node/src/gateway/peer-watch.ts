import { type Clock, errorCode, type Logger, startTicker, type Ticker } from '@pulsemesh/base';
import type { LivePeer, NetworkPort, RpcClient } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import type { NetworkView, PeerView, RelaySessionView, RelayTransport } from '../api/types.ts';
import { askMove, askStatus, type PeerStatus } from '../status/status.ts';
import { NotFoundError } from './backend.ts';

export interface PeerWatchDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** This process's own status, which needs no call. */
  readonly ownStatus: () => PeerStatus;
  /** Moves a relay session of this process. */
  readonly moveOwn: (relay: string, transport: RelayTransport) => Promise<void>;
}

export interface PeerWatchOptions {
  /** Between two rounds of asking; default 2,000. */
  readonly periodMs?: number;
  /** How long a peer that is gone is still shown as such; default 300,000. */
  readonly goneMs?: number;
  /** Peers remembered at most; default 500. */
  readonly peersMax?: number;
}

interface Seen {
  live: LivePeer;
  status: PeerStatus | null;
  goneSinceMs: number | null;
}

/** The network as an operator sees it: the roster, and what each peer says of itself. Dispose to stop. */
export class PeerWatch implements Disposable {
  readonly #options: Required<PeerWatchOptions>;
  readonly #deps: PeerWatchDependencies;
  readonly #onChange: () => void;
  readonly #seen = new Map<PeerId, Seen>();
  readonly #watch: Disposable;
  readonly #ticker: Ticker;
  readonly #asking = new Set<PeerId>();

  constructor(options: PeerWatchOptions, deps: PeerWatchDependencies, onChange: () => void) {
    this.#options = {
      periodMs: options.periodMs ?? 2_000,
      goneMs: options.goneMs ?? 300_000,
      peersMax: options.peersMax ?? 500,
    };
    this.#deps = deps;
    this.#onChange = onChange;
    this.#watch = deps.port.onRosterChange(() => {
      this.#look();
      onChange();
    });
    this.#ticker = startTicker(
      deps.clock,
      this.#options.periodMs,
      () => this.#askAll(),
      () => {},
    );
    this.#look();
  }

  view(): NetworkView {
    const peers = [...this.#seen].map(([peerId, seen]) => viewOf(peerId, seen));
    return { self: this.#deps.port.self, peers: peers.sort((one, other) => (one.peerId < other.peerId ? -1 : 1)) };
  }

  /**
   * Has a peer's session with a relay moved to another transport; resolves with the session after that.
   * @throws {NotFoundError}; what the call to the peer throws.
   */
  async moveRelay(peer: string, relay: string, transport: RelayTransport): Promise<RelaySessionView> {
    const { port, rpc, moveOwn, ownStatus } = this.#deps;
    const seen = this.#seen.get(peer as PeerId);
    if (seen === undefined || seen.goneSinceMs !== null) throw new NotFoundError('peer');
    if (!seen.status?.relays.some((session) => session.relay === relay)) throw new NotFoundError('relay session');
    if (peer === port.self) {
      await moveOwn(relay, transport);
      seen.status = ownStatus();
    } else {
      seen.status = await askMove(rpc, peer as PeerId, relay, transport); // a key of #seen
    }
    this.#onChange();
    const moved = viewOf(peer as PeerId, seen).relays.find((session) => session.relay === relay);
    if (moved === undefined) throw new NotFoundError('relay session');
    return moved;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#ticker.stop();
  }

  #look(): void {
    const nowMs = this.#deps.clock.now();
    const live = new Map(this.#deps.port.livePeers().map((peer) => [peer.id, peer]));
    for (const [peerId, peer] of live) {
      const known = this.#seen.get(peerId);
      if (known !== undefined && known.live.startedMs === peer.startedMs) {
        known.live = peer;
        known.goneSinceMs = null;
        continue;
      }
      this.#seen.set(peerId, { live: peer, status: null, goneSinceMs: null });
      void this.#ask(peerId);
    }
    for (const [peerId, seen] of this.#seen) {
      if (!live.has(peerId)) seen.goneSinceMs ??= nowMs;
    }
    this.#forget(nowMs);
  }

  #forget(nowMs: number): void {
    for (const [peerId, { goneSinceMs }] of this.#seen) {
      if (goneSinceMs === null) continue;
      if (nowMs - goneSinceMs > this.#options.goneMs || this.#seen.size > this.#options.peersMax)
        this.#seen.delete(peerId);
    }
  }

  async #askAll(): Promise<void> {
    const before = JSON.stringify(this.view());
    await Promise.all([...this.#seen].map(([peerId, seen]) => (seen.goneSinceMs === null ? this.#ask(peerId) : null)));
    this.#forget(this.#deps.clock.now());
    if (JSON.stringify(this.view()) !== before) this.#onChange();
  }

  async #ask(peerId: PeerId): Promise<void> {
    const seen = this.#seen.get(peerId);
    if (seen === undefined || this.#asking.has(peerId)) return;
    this.#asking.add(peerId);
    try {
      seen.status = peerId === this.#deps.port.self ? this.#deps.ownStatus() : await askStatus(this.#deps.rpc, peerId);
    } catch (error) {
      // Not every peer trusts this one with its status; what the roster says is shown all the same.
      this.#deps.logger.debug('no status of a peer', { peer: peerId, code: errorCode(error) });
    } finally {
      this.#asking.delete(peerId);
    }
  }
}

function viewOf(peerId: PeerId, { live, status, goneSinceMs }: Seen): PeerView {
  const isAlive = goneSinceMs === null;
  return {
    peerId,
    roles: live.roles,
    pid: live.pid,
    addresses: live.addresses,
    startedMs: live.startedMs,
    isAlive,
    connections: isAlive ? (status?.connections ?? []) : [],
    patientCount: isAlive ? (status?.patientCount ?? null) : null,
    // To the nearest MiB: the page need not change for every page of memory.
    rssBytes: isAlive && status !== null ? Math.round(status.rssBytes / 2 ** 20) * 2 ** 20 : null,
    isFirewalled: status?.isFirewalled ?? false,
    relays: isAlive ? (status?.relays ?? []).map((session) => ({ ...session, rttMs: roughly(session.rttMs) })) : [],
  };
}

// Two digits tell all there is to a round trip, and a page need not change for each microsecond.
function roughly(ms: number | null): number | null {
  return ms === null ? null : Number(ms.toPrecision(2));
}
