import { assert } from '@pulsemesh/base';
import { positionsOf } from '../interest/exact-interest.ts';
import type { FilterShape } from '../interest/interest-filter.ts';
import { messageLimits } from '../message.ts';
import type { Topic } from '../topic.ts';

/**
 * How much a join query tells those it passes. `open`: the topic's position in interest filters, which leads it straight
 * to subscribers. `decoys`: that position among three false ones. `sensitive`: nothing; it wanders, friends first.
 */
export type JoinMode = 'open' | 'decoys' | 'sensitive';

const decoys = 3;

/**
 * The positions that a query for `topic` shows, ascending. The false ones are the same for everybody and every time
 * in one filter epoch: were they drawn anew, the position that all queries share would be the true one.
 */
export function hintOf(topic: Topic, mode: JoinMode, epoch: number, shape: FilterShape): readonly number[] {
  if (mode === 'sensitive') return [];
  const positions = new Set(positionsOf(topic, epoch, shape).slice(0, 1));
  if (mode === 'decoys') {
    const seed = topic.decoySeed(epoch);
    const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength);
    for (let at = 0; at + 4 <= seed.length && positions.size < 1 + decoys; at += 4) {
      positions.add(view.getUint32(at) % shape.bits);
    }
  }
  assert(positions.size <= messageLimits.hintPositionsMax, 'a hint holds as many positions as a message may');
  return [...positions].sort((one, other) => one - other);
}
