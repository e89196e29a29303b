import type { Descriptor } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';

/** How the views of the living honest nodes look. */
export interface ViewFigures {
  /** Share of attackers in them, 0 … 1. */
  readonly byzantineShare: number;
  /** Honest nodes in whose view nobody honest is. */
  readonly isolated: number;
  readonly sizeMean: number;
  /** Standard deviation of how often an honest node stands in views of others, over the mean of it. */
  readonly inDegreeSpread: number;
}

/** Looks at views; `isByzantine` knows who the attackers are. */
export function viewFigures(
  nodes: readonly { readonly view: readonly Descriptor[]; readonly self: PeerId }[],
  isByzantine: (peer: PeerId) => boolean,
): ViewFigures {
  const degrees = new Map<PeerId, number>(nodes.map(({ self }) => [self, 0]));
  let all = 0;
  let byzantine = 0;
  let isolated = 0;
  for (const { view } of nodes) {
    let honest = 0;
    for (const { peer } of view) {
      all += 1;
      if (isByzantine(peer)) byzantine += 1;
      else honest += 1;
      const degree = degrees.get(peer);
      if (degree !== undefined) degrees.set(peer, degree + 1);
    }
    if (honest === 0) isolated += 1;
  }
  const count = Math.max(1, nodes.length);
  const values = [...degrees.values()];
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
  return {
    byzantineShare: all === 0 ? 0 : byzantine / all,
    isolated,
    sizeMean: all / count,
    inDegreeSpread: mean === 0 ? 0 : Math.sqrt(variance) / mean,
  };
}
