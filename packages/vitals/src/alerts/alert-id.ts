import { sha256 } from '@pulsemesh/crypto';
import { encodeCbor, toHex } from '@pulsemesh/wire';
import type { AlertKind } from './alert.ts';

/**
 * An alert's name: 32 hex characters, the first 16 bytes of SHA-256 over the deterministic CBOR of
 * ("pulsemesh alert", subject, kind, episode start). Whoever computes the same episode names it the same.
 */
export function alertIdOf(subjectId: string, kind: AlertKind, episodeStartSeconds: number): string {
  const name = encodeCbor(['pulsemesh alert', subjectId, kind, episodeStartSeconds]);
  return toHex(sha256(name).subarray(0, 16));
}
