import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { PeerSamplingOptions } from './options.ts';
import { noSubnet, subnetsOf } from './subnet.ts';

/** Why an introduction is left out. */
export type IntroductionRefusal = 'introduced-lately' | 'introduced-subnet' | 'introduced-flood';

/**
 * The peers that asked us something in this round, and so made themselves known. It is the only way in which somebody
 * can reach our view without being asked, so it is narrow: a flood out of few subnets only fills the share of these, one
 * out of many makes the whole round's introductions void (Brahms §4.2), while what we asked for still counts.
 */
export class Introductions {
  readonly #options: PeerSamplingOptions;
  readonly #taken: Descriptor[] = [];
  readonly #perSubnet = new Map<string, number>();
  /** When each was taken last, the longest ago first; as many as may come within the time, see {@link take}. */
  readonly #lately = new Map<PeerId, number>();
  #isFlooded = false;

  constructor(options: PeerSamplingOptions) {
    this.#options = options;
  }

  /** Whether `descriptor`, whose peer is speaking to us, may be taken; `null` where it may. */
  refusal(descriptor: Descriptor, nowMs: number): IntroductionRefusal | null {
    const lastMs = this.#lately.get(descriptor.peer);
    if (lastMs !== undefined && nowMs - lastMs < this.#options.introductionEveryMs) return 'introduced-lately';
    const isCrowded = subnetsOf(descriptor.addresses).some((subnet) => {
      const { introductionsPerSubnetMax, introductionsWithoutSubnetMax } = this.#options;
      const max = subnet === noSubnet ? introductionsWithoutSubnetMax : introductionsPerSubnetMax;
      return (this.#perSubnet.get(subnet) ?? 0) >= max;
    });
    if (isCrowded) return 'introduced-subnet';
    if (this.#taken.length < this.#options.introductionsMax) return null;
    this.#isFlooded = true;
    return 'introduced-flood';
  }

  /** Takes one for which there is no {@link refusal}. */
  add(descriptor: Descriptor, nowMs: number): void {
    this.#taken.push(descriptor);
    this.#lately.delete(descriptor.peer);
    this.#lately.set(descriptor.peer, nowMs);
    for (const subnet of subnetsOf(descriptor.addresses)) {
      this.#perSubnet.set(subnet, (this.#perSubnet.get(subnet) ?? 0) + 1);
    }
  }

  /** Ends the round: the peers introduced in it, none where they were too many. */
  take(nowMs: number): Descriptor[] {
    const taken = this.#isFlooded ? [] : [...this.#taken];
    this.#taken.length = 0;
    this.#perSubnet.clear();
    this.#isFlooded = false;
    for (const [peer, lastMs] of this.#lately) {
      if (nowMs - lastMs < this.#options.introductionEveryMs) break;
      this.#lately.delete(peer);
    }
    return taken;
  }
}
