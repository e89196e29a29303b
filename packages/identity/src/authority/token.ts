import { hkdfSha256, sha256 } from '@pulsemesh/crypto';
import { equalBytes, type PeerId, parsePeerId } from '@pulsemesh/wire';
import { isRelayUrl } from '../card.ts';
import { EnrolmentTokenError } from './errors.ts';

/** What an enrolment token says: where to go, whom to trust there, and the secret that lets in. */
export interface EnrolmentToken {
  /** Where the relay listens, `https://…` or `http://…`. */
  readonly relayUrl: string;
  readonly relayPeer: PeerId;
  /** SHA-256 of the authority's root certificate (DER): nobody else's is taken. */
  readonly rootFingerprint: Uint8Array;
  /** 16 bytes, secret until used. Null: the address alone, an operator decides. */
  readonly secret: Uint8Array | null;
}

/** Limits of a token's text. */
export const enrolmentTokenLimits = { charactersMax: 1_024, secretBytes: 16, checksumBytes: 4 } as const;

const version = 'pm1';
const fingerprintBytes = 32;

/**
 * `pm1.<url>.<peer id>.<fingerprint>.<secret>.<checksum>`: one word that can be copied; all but the peer id in base64url.
 * An address has an empty secret.
 */
export function formatEnrolmentToken({ relayUrl, relayPeer, rootFingerprint, secret }: EnrolmentToken): string {
  const url = encode(new TextEncoder().encode(relayUrl));
  const body = [version, url, relayPeer, encode(rootFingerprint), encode(secret ?? new Uint8Array(0))].join('.');
  return `${body}.${encode(checksumOf(body))}`;
}

/**
 * Reads a token. White space anywhere does not matter: mail programs break lines.
 * @throws {EnrolmentTokenError} `token-too-long`, `token-malformed`, `token-checksum`.
 */
export function parseEnrolmentToken(text: string): EnrolmentToken {
  if (text.length > enrolmentTokenLimits.charactersMax) throw new EnrolmentTokenError('token-too-long');
  const word = text.replace(/\s+/gu, '');
  const parts = word.split('.');
  const [head, url, peer, fingerprint, secret, checksum] = parts;
  if (head !== version || url === undefined || peer === undefined) throw new EnrolmentTokenError('token-malformed');
  // Cut at the end: what is there looks like a token.
  if (fingerprint === undefined || secret === undefined || checksum === undefined)
    throw new EnrolmentTokenError('token-checksum');
  if (parts.length !== 6) throw new EnrolmentTokenError('token-malformed');
  const body = word.slice(0, word.lastIndexOf('.'));
  const given = decode(checksum);
  if (given === null || !equalBytes(given, checksumOf(body))) throw new EnrolmentTokenError('token-checksum');
  return {
    relayUrl: urlOf(url),
    relayPeer: peerOf(peer),
    rootFingerprint: exact(fingerprint, fingerprintBytes),
    secret: secret === '' ? null : exact(secret, enrolmentTokenLimits.secretBytes),
  };
}

/** What the authority keeps of a token's secret: its hash. */
export function tokenHash(secret: Uint8Array): Uint8Array {
  return hkdfSha256({ key: secret, info: 'pulsemesh/enrolment-token/1', length: 32 });
}

function urlOf(part: string): string {
  const bytes = decode(part);
  const url = bytes === null ? '' : new TextDecoder().decode(bytes);
  if (!isRelayUrl(url)) throw new EnrolmentTokenError('token-malformed');
  return url;
}

function peerOf(part: string): PeerId {
  try {
    return parsePeerId(part);
  } catch {
    throw new EnrolmentTokenError('token-malformed');
  }
}

function exact(part: string, length: number): Uint8Array {
  const bytes = decode(part);
  if (bytes === null || bytes.length !== length) throw new EnrolmentTokenError('token-malformed');
  return bytes;
}

function checksumOf(body: string): Uint8Array {
  return sha256(new TextEncoder().encode(body)).subarray(0, enrolmentTokenLimits.checksumBytes);
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

/** Null for what is none, and for a second spelling of the same bytes. */
function decode(text: string): Uint8Array | null {
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  return encode(bytes) === text ? bytes : null;
}
