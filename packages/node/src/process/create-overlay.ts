import { join } from 'node:path';
import type { PubSubFactory } from '@pulsemesh/network';
import { fromHex, type PeerId } from '@pulsemesh/wire';
import type { NodeConfig } from '../config/node-config.ts';
import type { Secret } from '../config/secret.ts';
import { openInterestFile } from './interest-file.ts';
import type { NodeDependencies } from './node-context.ts';

/** Peers that get data and keys from this node are trusted in the overlay too, if not blindly. */
const peerTrust = 0.9;

/**
 * Publish/subscribe over the overlay as a node's configuration wants it; what was told of its interests is kept in its data
 * directory. The code is loaded here, by the nodes that use it.
 */
export async function createOverlay(
  config: Pick<NodeConfig, 'dataDirectory' | 'overlay' | 'trust' | 'lan' | 'lanAnnounceOn'>,
  deps: NodeDependencies,
  lanSecret: Secret | null = null,
): Promise<PubSubFactory> {
  const { dataDirectory, overlay, trust: peers, lan: mode, lanAnnounceOn: announceOn } = config;
  const { TrustBook, upsycle } = await import('@pulsemesh/overlay');
  const trust = new TrustBook();
  for (const peer of peers) trust.set(peer as PeerId, peerTrust); // a text that names nobody is never met
  const interestState = openInterestFile(join(dataDirectory, 'interests'), deps);
  const siteSecret = lanSecret === null ? {} : { siteSecret: fromHex(lanSecret.reveal(), 32) };
  const lan = mode === 'off' ? mode : { mode, ...(announceOn === undefined ? {} : { announceOn }), ...siteSecret };
  return upsycle({ ...deps, ...overlay, lan, trust, interestState, allowPublishToZeroTopicPeers: true });
}
