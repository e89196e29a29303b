import { timingSafeEqual } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Random } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';

const tokenBytes = 32;
const tokenShape = /^[A-Za-z0-9_-]{43}$/;

/**
 * The token that opens the API: 32 random bytes in base64url, made at the first start and kept in `file`
 * (mode 0600).
 */
export function loadOrCreateToken(file: string, random: Random): string {
  const known = readToken(file);
  if (known !== null) return known;
  const token = Buffer.from(random.bytes(tokenBytes)).toString('base64url');
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  chmodSync(file, 0o600); // a file that was there before keeps its mode otherwise
  return token;
}

/** The token in `file`, or null when there is none. */
export function readToken(file: string): string | null {
  try {
    const token = readFileSync(file, 'utf8').trim();
    return tokenShape.test(token) ? token : null;
  } catch {
    return null;
  }
}

/** True when `given` is `token`. Both are hashed first, so that the time taken tells nothing, not even the length. */
export function isToken(given: string | undefined, token: string): boolean {
  if (given === undefined) return false;
  return timingSafeEqual(sha256(Buffer.from(given)), sha256(Buffer.from(token)));
}

/** The token of an `Authorization: Bearer …` header, or undefined. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9_-]{1,256})$/.exec(header ?? '')?.[1];
}
