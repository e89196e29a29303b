import type { Clock, Random } from '@pulsemesh/base';
import { sleep } from '@pulsemesh/base';
import type { PartyLimits } from './limits.ts';

/** Waits before try number `tries` (from 1): doubled each time, up to a longest, with up to a quarter more by chance. */
export function waitBeforeRetry(
  tries: number,
  limits: Pick<PartyLimits, 'retryMsMin' | 'retryMsMax'>,
  dependencies: { readonly clock: Clock; readonly random: Random },
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const wait = Math.min(limits.retryMsMax, limits.retryMsMin * 2 ** Math.min(tries - 1, 20));
  return sleep(dependencies.clock, Math.round(wait * (1 + dependencies.random.float() / 4)), options);
}
