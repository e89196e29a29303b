import type { Random } from '@pulsemesh/base';
import { createSigner, type Signer } from '@pulsemesh/crypto';
import { capability, createDescriptor, type Descriptor } from '@pulsemesh/overlay/protocol';

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

/** Where and when a machine is. */
export interface IdentityPlace {
  /** Its number in the network. */
  readonly index: number;
  /** How many networks machines are spread over. */
  readonly subnets: number;
  /** When the run begins, unix milliseconds. */
  readonly startMs: number;
  /** The digest of an interest filter that it names, where it names one before the run. */
  readonly interestDigest?: Uint8Array;
}

export function createIdentity(at: IdentityPlace, random: Random): Identity {
  return identityOf(createSigner(random.bytes(32)), at);
}

/** An identity of a given key, such as one that was ground. */
export function identityOf(signer: Signer, { index, subnets, startMs, interestDigest }: IdentityPlace): Identity {
  const subnet = index % subnets;
  const host = 1 + (Math.floor(index / subnets) % 250);
  const addresses = [`/ip4/10.${(subnet >>> 8) & 255}.${subnet & 255}.${host}/tcp/4001`];
  const content = {
    addresses,
    version: startMs - 3_600_000,
    expiresAtSeconds: startMs / 1_000 + lifetimeSeconds,
    capabilities: capability.core,
    ...(interestDigest === undefined ? {} : { interestDigest }),
  };
  return { signer, addresses, descriptor: createDescriptor(content, signer) };
}
