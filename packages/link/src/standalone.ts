import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import type { LinkDependencies } from './client/link-keeper.ts';
import type { LinkIdentity } from './session.ts';

/** The system's clock and randomness, no logs and no metrics: what a program that uses the link alone gives it. */
export function createSystemDependencies(): LinkDependencies {
  return {
    clock: createSystemClock(),
    random: createSystemRandom(),
    logger: silentLogger,
    meter: silentMeter,
  };
}

/** The identity of a 32-byte seed, which is the secret to keep. Where there is `@pulsemesh/identity`, its own fit as well. */
export function createLinkIdentity(seed: Uint8Array): LinkIdentity {
  const { publicKey, sign } = createSigner(seed);
  return { peerId: peerIdOfEd25519(publicKey), publicKey, sign };
}
