import type { Random } from '@pulsemesh/base';
import type { Descriptor, NodeOutput } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import type { SimulatedNode } from '../network/node.ts';
import { Silent } from './silent.ts';

/** How often it pushes itself on its victim, milliseconds. */
const pushEveryMs = 2_000;

/**
 * One of many around a single victim: keeps a connection to it, introduces itself again and again, reads what it reads,
 * and hands on nothing. Eclipsed is who has no other neighbours left.
 */
export class Crowd extends Silent {
  readonly #self: Descriptor;
  readonly #victim: PeerId;
  readonly #random: Random;
  #pushAtMs = Number.POSITIVE_INFINITY;

  constructor(inner: SimulatedNode, self: Descriptor, victim: PeerId, random: Random) {
    super(inner);
    this.#self = self;
    this.#victim = victim;
    this.#random = random;
  }

  override get dueAtMs(): number {
    return Math.min(this.inner.dueAtMs, this.#pushAtMs);
  }

  override start(seeds: readonly Descriptor[], nowMs: number): readonly NodeOutput[] {
    this.#pushAtMs = nowMs + this.#random.float() * pushEveryMs;
    return super.start(seeds, nowMs);
  }

  override wake(nowMs: number): readonly NodeOutput[] {
    const outputs = this.inner.dueAtMs <= nowMs ? super.wake(nowMs) : [];
    if (nowMs < this.#pushAtMs) return outputs;
    this.#pushAtMs = nowMs + pushEveryMs;
    const nonce = this.#random.integer(2 ** 31);
    const pull = { kind: 'pull', nonce, self: this.#self, want: 1 } as const;
    return [...outputs, { kind: 'send', to: this.#victim, message: pull }];
  }

  override wantedLinks(): readonly PeerId[] {
    return [this.#victim, ...this.inner.wantedLinks()];
  }
}
