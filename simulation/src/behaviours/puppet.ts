import type { Descriptor, Message, NodeOutput } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import type { SimulatedNode } from '../network/node.ts';

/** What all attackers of a run know: everything, as the worst adversary does. */
export interface Adversary {
  /** The attackers' own descriptors. */
  readonly sybils: readonly Descriptor[];
  /** The honest peers. */
  readonly honest: readonly PeerId[];
  /** Whom they are after, where it is somebody. */
  readonly victim?: PeerId;
}

/** An attacker that runs the honest code and changes what comes out of it, or what it is shown. */
export class Puppet implements SimulatedNode {
  protected readonly inner: SimulatedNode;

  constructor(inner: SimulatedNode) {
    this.inner = inner;
  }

  get dueAtMs(): number {
    return this.inner.dueAtMs;
  }

  start(seeds: readonly Descriptor[], nowMs: number): readonly NodeOutput[] {
    return this.altered(this.inner.start(seeds, nowMs), nowMs);
  }

  wake(nowMs: number): readonly NodeOutput[] {
    return this.altered(this.inner.wake(nowMs), nowMs);
  }

  receive(from: PeerId, message: Message, nowMs: number): readonly NodeOutput[] {
    return this.altered(this.inner.receive(from, message, nowMs), nowMs);
  }

  connected(peer: PeerId, nowMs: number): readonly NodeOutput[] {
    return this.altered(this.inner.connected(peer, nowMs), nowMs);
  }

  disconnected(peer: PeerId, nowMs: number, why: 'closed' | 'lost'): readonly NodeOutput[] {
    return this.altered(this.inner.disconnected(peer, nowMs, why), nowMs);
  }

  unreachable(peer: PeerId, nowMs: number): readonly NodeOutput[] {
    return this.altered(this.inner.unreachable(peer, nowMs), nowMs);
  }

  wantedLinks(): readonly PeerId[] {
    return this.inner.wantedLinks();
  }

  /** What is done instead of what the honest code would do. */
  protected altered(outputs: readonly NodeOutput[], _nowMs: number): readonly NodeOutput[] {
    return outputs;
  }
}
