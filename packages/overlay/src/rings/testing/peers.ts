import { createSeededRandom, type Random } from '@pulsemesh/base';
import { createSigner, generateSeed, type Signer } from '@pulsemesh/crypto';
import { createDescriptor, type Descriptor } from '../../descriptor.ts';

/** A test's peer: its key and what it says of itself. */
export interface TestPeer {
  readonly signer: Signer;
  readonly descriptor: Descriptor;
}

/** Noon of some day, so that no epoch turns where a test does not ask for it; unix milliseconds. */
export const noonMs = Date.UTC(2026, 5, 1, 12);

/** Peers with keys from `random`, whose descriptors hold for a day from `nowMs`. */
export function createPeers(
  count: number,
  random: Random = createSeededRandom(1),
  nowMs = noonMs,
  addresses: readonly string[] = [],
): TestPeer[] {
  return Array.from({ length: count }, () => {
    const signer = createSigner(generateSeed(random));
    const expiresAtSeconds = Math.floor(nowMs / 1_000) + 24 * 3_600;
    const content = { addresses, version: nowMs, expiresAtSeconds, capabilities: 1 };
    return { signer, descriptor: createDescriptor(content, signer) };
  });
}
