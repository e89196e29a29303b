import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { PeerSamplingOptions } from './options.ts';
import { weightedSample } from './weighted-sample.ts';

/** What the next view is made of. */
export interface ViewSources {
  /** Peers that introduced themselves in this round, and peers named in answers. */
  readonly introduced: readonly PeerId[];
  readonly received: ReadonlySet<PeerId>;
  /** The peers of the history and of the view so far. */
  readonly history: readonly PeerId[];
  readonly view: Iterable<PeerId>;
  /** Whether a peer can be in a view at all, and how gladly it is taken from the introduced and the received. */
  isFit(peer: PeerId): boolean;
  weight(peer: PeerId): number;
}

/**
 * The peers of the next view: a share from introductions, a share from answers, the rest from history (Brahms §4.3).
 * Answers are the part that liars write most of, so that they never fill more than their share while there is history.
 */
export function composeView(
  options: Pick<PeerSamplingOptions, 'viewSize' | 'introducedShare' | 'pulledShare'>,
  sources: ViewSources,
  random: Random,
): Set<PeerId> {
  const { viewSize, introducedShare, pulledShare } = options;
  const { introduced, received, isFit, weight } = sources;
  const chosen = new Set<PeerId>();
  const add = (peers: Iterable<PeerId>, max = viewSize) => {
    for (const peer of peers) {
      if (chosen.size >= Math.min(max, viewSize)) return;
      if (isFit(peer)) chosen.add(peer);
    }
  };
  // Where nobody answered nothing is known anew, and who can stop answers must not decide what takes their place.
  if (received.size === 0) add(sources.view);
  add(weightedSample(introduced, weight, Math.floor(introducedShare * viewSize), random));
  const pulled = weightedSample(received, weight, received.size, random);
  add(pulled, chosen.size + Math.floor(pulledShare * viewSize));
  add(random.shuffle(sources.history));
  // At the beginning the history is short.
  add(sources.view);
  add(pulled);
  add(introduced);
  return chosen;
}
