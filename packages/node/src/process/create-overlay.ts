import { join } from 'node:path';
import type { PubSubFactory } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import type { NodeConfig } from '../config/node-config.ts';
import { openInterestFile } from './interest-file.ts';
import type { NodeDependencies } from './node-context.ts';

/** Peers that get data and keys from this node are trusted in the overlay too, if not blindly. */
const peerTrust = 0.9;

/**
 * Publish/subscribe over the overlay as a node's configuration wants it; what was told of its interests is kept in its data
 * directory. The code is loaded here, by the nodes that use it.
 */
export async function createOverlay(
  { dataDirectory, overlay, trust: peers }: Pick<NodeConfig, 'dataDirectory' | 'overlay' | 'trust'>,
  deps: NodeDependencies,
): Promise<PubSubFactory> {
  const { TrustBook, upsycle } = await import('@pulsemesh/overlay');
  const trust = new TrustBook();
  for (const peer of peers) trust.set(peer as PeerId, peerTrust); // a text that names nobody is never met
  const interestState = openInterestFile(join(dataDirectory, 'interests'), deps);
  return upsycle({ ...deps, ...overlay, trust, interestState, allowPublishToZeroTopicPeers: true });
}
