import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { ringsLimits } from '../rings/rings.ts';
import { worldStartMs } from '../testing/node-world.ts';
import { createTopic } from '../topic.ts';
import { OverlayNode } from './overlay-node.ts';

describe('a node of ten thousand topics', () => {
  it('takes them all and wakes for many at once, hardly ever once it has found nobody for a while', () => {
    const random = createSeededRandom(1);
    const signer = createSigner(random.bytes(32));
    const node = new OverlayNode({ signer, addresses: [], deviceSecret: random.bytes(32) }, { random });
    let nowMs = worldStartMs;
    node.start([], nowMs);
    for (let index = 0; index < ringsLimits.topicsMax; index += 1) {
      node.subscribe(createTopic(`topic ${index}`), {}, nowMs);
    }
    expect(node.topics).toHaveLength(10_000);
    node.subscribe(createTopic('one more'), {}, nowMs);
    expect(node.topics).toHaveLength(10_000);
    const wakesWithin = (ms: number) => {
      const endMs = nowMs + ms;
      let wakes = 0;
      for (nowMs = Math.max(nowMs, node.dueAtMs); nowMs < endMs; nowMs = Math.max(nowMs + 1, node.dueAtMs)) {
        node.wake(nowMs);
        wakes += 1;
      }
      nowMs = endMs;
      return wakes;
    };
    expect(wakesWithin(10_000)).toBeLessThan(200);
    nowMs += 30_000;
    expect(wakesWithin(10_000)).toBeLessThan(50);
    // The next input does not look at every topic again.
    const dueAtMs = node.dueAtMs;
    node.receive('somebody' as PeerId, { kind: 'have', route: new Uint8Array(16), ids: [] }, nowMs);
    expect(node.dueAtMs).toBe(dueAtMs);
  });
});
