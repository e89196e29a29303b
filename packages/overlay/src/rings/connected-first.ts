import type { Random } from '@pulsemesh/base';

/** How far a choice among members looks beyond those with a connection: each of the others costs a dial. */
export interface Reach {
  /** How often the next one is a connected one, where both kinds are there; 0 … 1. */
  readonly connectedShare: number;
  /** Of those without a connection so many at most, though fewer are chosen then than were asked for. */
  readonly unconnectedMax: number;
}

/** Up to `count` of the pool, connected ones more often. Those in front come first among each of the two kinds. */
export function connectedFirst<T>(
  pool: readonly T[],
  count: number,
  { connectedShare, unconnectedMax }: Reach,
  { random, isConnected }: { readonly random: Random; readonly isConnected: (one: T) => boolean },
): T[] {
  const near: T[] = [];
  const far: T[] = [];
  for (const one of pool) (isConnected(one) ? near : far).push(one);
  far.splice(unconnectedMax);
  const chosen: T[] = [];
  while (chosen.length < count && near.length + far.length > 0) {
    const isNear = far.length === 0 || (near.length > 0 && random.float() < connectedShare);
    chosen.push((isNear ? near : far).shift() as T); // it is not empty
  }
  return chosen;
}
