import type { Topic } from '../topic.ts';
import { type FilterShape, sameShape } from './interest-filter.ts';

/**
 * The positions that stand for a topic in filters of one epoch, distinct, the first of them used in join hints. Remembered
 * with the topic: a position is asked for with each query, and costs a keyed hash.
 */
export function positionsOf(topic: Topic, epoch: number, shape: FilterShape): readonly number[] {
  const known = remembered.get(topic) ?? [];
  const found = known.find((one) => one.epoch === epoch && sameShape(one.shape, shape));
  if (found !== undefined) return found.positions;
  const element = topic.filterElement(epoch);
  const view = new DataView(element.buffer, element.byteOffset, element.byteLength);
  const positions = new Set<number>();
  for (let hash = 0; hash < shape.hashes; hash += 1) positions.add(view.getUint32(hash * 4) % shape.bits);
  const added = { epoch, shape, positions: [...positions] };
  remembered.set(topic, [added, ...known].slice(0, epochsRememberedMax));
  return added.positions;
}

interface RememberedPositions {
  readonly epoch: number;
  readonly shape: FilterShape;
  readonly positions: readonly number[];
}

const epochsRememberedMax = 4;
const remembered = new WeakMap<Topic, readonly RememberedPositions[]>();

/** What this node itself reads, without noise: stays here, and is what others' filters are compared with. */
export interface ExactInterest {
  readonly shape: FilterShape;
  readonly epoch: number;
  /** Distinct set bits. */
  readonly positions: readonly number[];
  /** Of each position: 1, or 2 where its topic needs members. */
  readonly weights: readonly number[];
  /** Number of topics. */
  readonly topics: number;
}

/** The exact interest in `topics`; those that `isNeedy` names count twice (PolderCast's topic priority). */
export function exactInterest(
  topics: Iterable<Topic>,
  epoch: number,
  shape: FilterShape,
  isNeedy: (topic: Topic) => boolean = () => false,
): ExactInterest {
  const weightOf = new Map<number, number>();
  let count = 0;
  for (const topic of topics) {
    count += 1;
    const weight = isNeedy(topic) ? 2 : 1;
    for (const position of positionsOf(topic, epoch, shape)) {
      weightOf.set(position, Math.max(weight, weightOf.get(position) ?? 0));
    }
  }
  return { shape, epoch, positions: [...weightOf.keys()], weights: [...weightOf.values()], topics: count };
}
