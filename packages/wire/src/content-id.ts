import { sha256Hex } from '#digest';

/**
 * Names bytes by what they are: their SHA-256, 64 lower-case hex characters. Equal ids, equal bytes.
 * A name, not a secret: that is why this digest is made here and not behind the crypto package, which is a neighbour.
 */
export function contentId(bytes: Uint8Array): string {
  return sha256Hex(bytes);
}

/** The first 16 characters of {@link contentId}: for versions that people compare, not against a forger. */
export function shortContentId(bytes: Uint8Array): string {
  return contentId(bytes).slice(0, 16);
}
