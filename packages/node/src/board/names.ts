import type { PeerId } from '@pulsemesh/wire';

/** The name of a board whose operator gave it none. */
export function originOf(peer: PeerId, origin: string | undefined): string {
  return origin ?? `pulsemesh/board/${peer}`;
}

/** The name of a witness whose operator gave it none. */
export function witnessNameOf(peer: PeerId, name: string | undefined): string {
  return name ?? `pulsemesh/witness/${peer}`;
}
