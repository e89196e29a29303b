import type { DeliveredEvent, NodeOutput } from '@pulsemesh/overlay/protocol';
import type { SimulatedNode } from '../network/node.ts';
import { Puppet } from './puppet.ts';

/** Whether an attacker hands on events at this time, and this one, where it could open it. */
export type Carries = (nowMs: number, event: DeliveredEvent | undefined) => boolean;

/**
 * Keeps every promise of the protocol but one: it hands on no event, and names none. Neighbours, probes and gossip see
 * a good peer, which is what makes it worth defending against.
 */
export class Silent extends Puppet {
  readonly #carries: Carries;

  /** `carries`: when it does hand on, to look good until then, or all but the censored. Never, when left out. */
  constructor(inner: SimulatedNode, carries: Carries = () => false) {
    super(inner);
    this.#carries = carries;
  }

  protected override altered(outputs: readonly NodeOutput[], nowMs: number): readonly NodeOutput[] {
    const delivery = outputs.find((output) => output.kind === 'deliver');
    if (this.#carries(nowMs, delivery?.event)) return outputs;
    return outputs.filter((output) => output.kind !== 'send' || !isCarrying(output.message.kind));
  }
}

function isCarrying(kind: string): boolean {
  return kind === 'event' || kind === 'have';
}
