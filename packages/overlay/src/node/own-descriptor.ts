import type { Random } from '@pulsemesh/base';
import type { Signer } from '@pulsemesh/crypto';
import { capability, createDescriptor, type Descriptor, interestDigestOf } from '../descriptor.ts';
import type { InterestFilter } from '../interest/interest-filter.ts';

/** How long a descriptor holds, and when the next one is made, milliseconds. */
export const ownDescriptorPeriods = { lifetimeMs: 6 * 3_600_000, renewMs: 3 * 3_600_000 } as const;

/** What this node says of itself: signed anew when it changed, and well before it runs out. */
export class OwnDescriptor {
  readonly #signer: Signer;
  readonly #random: Random;
  readonly #capabilities: number;
  #addresses: readonly string[];
  #filter: InterestFilter | undefined;
  #descriptor: Descriptor;
  #dueAtMs = Number.POSITIVE_INFINITY;

  /** Of no use to others before the first {@link renew}, which says the time. */
  constructor(
    options: { readonly signer: Signer; readonly addresses: readonly string[]; readonly capabilities?: number },
    random: Random,
  ) {
    this.#signer = options.signer;
    this.#random = random;
    this.#addresses = options.addresses;
    this.#capabilities = options.capabilities ?? capability.core;
    this.#descriptor = this.#sign(0);
  }

  get descriptor(): Descriptor {
    return this.#descriptor;
  }

  /** The interest filter whose digest the descriptor holds. */
  get filter(): InterestFilter | undefined {
    return this.#filter;
  }

  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** Makes a new one; what is not given stays. */
  renew(changed: { readonly addresses?: readonly string[]; readonly filter?: InterestFilter }, nowMs: number): void {
    this.#addresses = changed.addresses ?? this.#addresses;
    this.#filter = changed.filter ?? this.#filter;
    this.#descriptor = this.#sign(nowMs);
    this.#dueAtMs = nowMs + ownDescriptorPeriods.renewMs * (0.9 + this.#random.float() / 5);
  }

  #sign(nowMs: number): Descriptor {
    const filter = this.#filter;
    return createDescriptor(
      {
        addresses: this.#addresses,
        version: Math.max(Math.floor(nowMs), (this.#descriptor?.version ?? -1) + 1),
        expiresAtSeconds: Math.floor((nowMs + ownDescriptorPeriods.lifetimeMs) / 1_000),
        capabilities: this.#capabilities,
        ...(filter === undefined ? {} : { interestDigest: interestDigestOf(filter.bytes) }),
      },
      this.#signer,
    );
  }
}
