import type { Random } from '@pulsemesh/base';
import { createSigner, type Signer } from '@pulsemesh/crypto';
import { capability, createDescriptor, type Descriptor } from '@pulsemesh/overlay/protocol';
import { worldStartMs } from '../network/world.ts';

/** Who somebody is in a simulated network. */
export interface Identity {
  readonly signer: Signer;
  /** One address, in a subnet of its own unless a few are shared. */
  readonly addresses: readonly string[];
  /** What it said of itself before the run: whoever has this can begin. Its node makes a newer one. */
  readonly descriptor: Descriptor;
}

/** How long a descriptor made before the run holds, seconds. */
const lifetimeSeconds = 20 * 3_600;

/** The identity of the machine numbered `index`, of `subnets` networks. */
export function createIdentity(index: number, subnets: number, random: Random): Identity {
  return identityOf(createSigner(random.bytes(32)), index, subnets);
}

/** An identity of a given key, such as one that was ground. */
export function identityOf(signer: Signer, index: number, subnets: number): Identity {
  const subnet = index % subnets;
  const host = 1 + (Math.floor(index / subnets) % 250);
  const addresses = [`/ip4/10.${(subnet >>> 8) & 255}.${subnet & 255}.${host}/tcp/4001`];
  const content = {
    addresses,
    version: worldStartMs - 3_600_000,
    expiresAtSeconds: worldStartMs / 1_000 + lifetimeSeconds,
    capabilities: capability.core,
  };
  return { signer, addresses, descriptor: createDescriptor(content, signer) };
}
