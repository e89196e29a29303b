import type { Random } from '@pulsemesh/base';
import { type Descriptor, type Message, messageLimits, type NodeOutput } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import type { SimulatedNode } from '../network/node.ts';
import type { Adversary } from './puppet.ts';

/** How loud a liar is. */
export interface LiarOptions {
  /** Introduces itself to so many honest peers a round: 1 is what an honest node does with its pulls. */
  readonly introductionsPerRound: number;
  readonly roundMs: number;
  /** The interest filter it shows, or none. */
  readonly filter?: Uint8Array;
}

/**
 * Knows nobody but its own kind: whatever it is asked, it names fellow attackers, and it introduces itself to honest
 * peers without end. The attacker of peer sampling (spec overlay §2); it runs none of the honest code, so that
 * thousands cost little.
 */
export class Liar implements SimulatedNode {
  dueAtMs = Number.POSITIVE_INFINITY;
  readonly #self: Descriptor;
  readonly #options: LiarOptions;
  readonly #adversary: Adversary;
  readonly #random: Random;
  #nonce = 0;

  constructor(self: Descriptor, options: LiarOptions, adversary: Adversary, random: Random) {
    this.#self = self;
    this.#options = options;
    this.#adversary = adversary;
    this.#random = random;
  }

  start(_seeds: readonly Descriptor[], nowMs: number): readonly NodeOutput[] {
    this.dueAtMs = nowMs + this.#random.float() * this.#options.roundMs;
    return [];
  }

  wake(nowMs: number): readonly NodeOutput[] {
    this.dueAtMs = nowMs + this.#options.roundMs;
    const { honest, victim } = this.#adversary;
    return Array.from({ length: this.#options.introductionsPerRound }, () => {
      const to = victim ?? (honest[this.#random.integer(honest.length)] as PeerId); // below the length
      this.#nonce += 1;
      const message: Message = {
        kind: 'pull',
        nonce: this.#nonce,
        self: this.#self,
        want: messageLimits.descriptorsMax,
      };
      return { kind: 'send', to, message };
    });
  }

  receive(from: PeerId, message: Message): readonly NodeOutput[] {
    const answer = this.#answer(message);
    return answer === undefined ? [] : [{ kind: 'send', to: from, message: answer }];
  }

  connected(): readonly NodeOutput[] {
    return [];
  }

  disconnected(): readonly NodeOutput[] {
    return [];
  }

  unreachable(): readonly NodeOutput[] {
    return [];
  }

  wantedLinks(): readonly PeerId[] {
    return [];
  }

  #answer(message: Message): Message | undefined {
    switch (message.kind) {
      case 'pull':
        return { kind: 'view', nonce: message.nonce, descriptors: this.#fellows(message.want) };
      case 'near':
        return { kind: 'nearby', nonce: message.nonce, descriptors: this.#fellows(messageLimits.descriptorsMax) };
      case 'probe':
        return message.isReply ? undefined : { ...message, isReply: true };
      case 'ask-filters': {
        const { filter } = this.#options;
        return filter === undefined ? undefined : { kind: 'filters', nonce: message.nonce, filters: [filter] };
      }
      default:
        return undefined;
    }
  }

  #fellows(count: number): readonly Descriptor[] {
    const { sybils } = this.#adversary;
    const from = this.#random.integer(sybils.length);
    const length = Math.min(count, messageLimits.descriptorsMax, sybils.length);
    return Array.from({ length }, (_, index) => sybils[(from + index) % sybils.length] as Descriptor); // a remainder
  }
}
