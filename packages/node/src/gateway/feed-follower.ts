import { type Clock, errorCode, type Logger, sleep } from '@pulsemesh/base';
import type { NetworkPort, RpcClient } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';

export interface FeedFollowerDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The protocol on which aggregation peers push what passes through them. */
const feedProtocol = '/pulsemesh/feed/1';
const feedMethod = 'subscribe';
const retryMsMin = 200;
const retryMsMax = 5_000;
/** Peers followed at once. */
export const followedPeersMax = 64;

/**
 * Follows the live feed of every live aggregation peer: subscribes when one appears, again when a subscription
 * breaks. `onItem` gets what they push, unchecked; `onJoined` is told after each (re)subscription, because what
 * was pushed before it was missed. Dispose to stop.
 */
export function followFeeds(
  handlers: { readonly onItem: (item: unknown) => void; readonly onJoined: () => void },
  deps: FeedFollowerDependencies,
): Disposable {
  const followed = new Map<PeerId, AbortController>();
  const look = () => {
    const live = new Set(
      deps.port
        .livePeers('aggregation')
        .slice(0, followedPeersMax)
        .map((peer) => peer.id),
    );
    for (const [peer, controller] of followed) {
      if (live.has(peer)) continue;
      controller.abort();
      followed.delete(peer);
    }
    for (const peer of live) {
      if (followed.has(peer)) continue;
      const controller = new AbortController();
      followed.set(peer, controller);
      void follow(peer, controller.signal, handlers, deps);
    }
  };
  const watch = deps.port.onRosterChange(look);
  look();
  return {
    [Symbol.dispose]() {
      watch[Symbol.dispose]();
      for (const controller of followed.values()) controller.abort();
      followed.clear();
    },
  };
}

async function follow(
  peer: PeerId,
  signal: AbortSignal,
  handlers: { readonly onItem: (item: unknown) => void; readonly onJoined: () => void },
  { rpc, clock, logger }: FeedFollowerDependencies,
): Promise<void> {
  let retryMs = retryMsMin;
  while (!signal.aborted) {
    try {
      let isFirst = true;
      for await (const item of rpc.subscribe(peer, feedProtocol, feedMethod, null, { signal })) {
        if (isFirst) handlers.onJoined();
        isFirst = false;
        retryMs = retryMsMin;
        handlers.onItem(item);
      }
    } catch (error) {
      if (!signal.aborted) logger.debug('a feed broke', { peer, code: errorCode(error) });
    }
    await sleep(clock, retryMs, { signal }).catch(() => {});
    retryMs = Math.min(retryMsMax, retryMs * 2);
  }
}
