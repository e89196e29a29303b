import { hash } from 'node:crypto';

/** SHA-256 as 64 lower-case hex characters. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}
