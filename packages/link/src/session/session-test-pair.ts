import { Condition, createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { SessionServer } from '../session-ends.ts';
import {
  createLinkedPair,
  createTestLinkIdentity,
  type LinkedPair,
  type LinkedPairOptions,
} from '../testing/linked-pair.ts';
import { createSessionServer } from './index.ts';

/** Two ends of one session on a clock of their own. */
export async function pairOf(
  options: Partial<LinkedPairOptions> = {},
): Promise<LinkedPair & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock();
  const pair = await createLinkedPair({ clock, ...options });
  return Object.assign(pair, { clock });
}

/** Lets what is ready happen. */
export function settled(clock: VirtualClock): Promise<void> {
  return clock.advance(30);
}

export const reason: Condition = new Condition('because', 'because', { retryable: true });

/** A server with the same key that knows nothing: what an agent meets after a restart. */
export function serverRestarts({ clock }: { readonly clock: VirtualClock }): SessionServer {
  const random = createSeededRandom(99);
  const dependencies = { clock, random, logger: silentLogger, meter: silentMeter };
  return createSessionServer({ identity: createTestLinkIdentity(random), certificateSha256: () => null }, dependencies);
}
