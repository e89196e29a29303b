import type { Clock, Random } from '@pulsemesh/base';
import { assert } from '@pulsemesh/base/errors';
import { type EngineLimits, engineLimits } from '../engine.ts';

/** What every engine takes. */
export interface EngineOptions {
  /** What differs from {@link engineLimits}. */
  readonly limits?: Partial<EngineLimits>;
}

export interface EngineDependencies {
  readonly clock: Clock;
  /** For epochs. */
  readonly random: Random;
}

/** The limits with their defaults; ids that are forgotten before senders give up would let a message in twice. */
export function resolveEngineLimits(limits: Partial<EngineLimits> = {}): EngineLimits {
  const all = { ...engineLimits, ...limits };
  assert(all.dedupMs >= all.ttlMsMax, 'dedupMs is at least ttlMsMax');
  return all;
}
