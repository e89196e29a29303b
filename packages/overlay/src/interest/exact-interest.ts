import type { Topic } from '../topic.ts';
import type { FilterShape } from './interest-filter.ts';

/**
 * The positions that stand for a topic in filters of one epoch, distinct, the first of them used in join hints. Remembered
 * with the topic: a position is asked for with each query, and costs a keyed hash.
 */
export function positionsOf(topic: Topic, epoch: number, shape: FilterShape): readonly number[] {
  const all = remembered.get(topic) ?? new Map<string, readonly number[]>();
  const key = `${epoch}/${shape.bits}/${shape.hashes}`;
  const known = all.get(key);
  if (known !== undefined) return known;
  const element = topic.filterElement(epoch);
  const view = new DataView(element.buffer, element.byteOffset, element.byteLength);
  const positions = new Set<number>();
  for (let hash = 0; hash < shape.hashes; hash += 1) positions.add(view.getUint32(hash * 4) % shape.bits);
  if (all.size >= epochsRememberedMax) all.clear();
  all.set(key, [...positions]);
  remembered.set(topic, all);
  return [...positions];
}

const epochsRememberedMax = 8;
const remembered = new WeakMap<Topic, Map<string, readonly number[]>>();

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
