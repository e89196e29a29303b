import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { errorCode } from '@pulsemesh/base';
import { ProxyConfigError } from './errors.ts';

/** Whose certificates are accepted. */
export interface TrustOptions {
  /** PEM files with further authorities: that of an inspecting proxy, that of a relay of one's own. */
  readonly caFiles?: readonly string[];
  /** The same as text. */
  readonly caPems?: readonly string[];
  /** Accept only `caFiles` and `caPems`. Default false: Node's own list and the operating system's store count as well. */
  readonly isExclusive?: boolean;
}

/** Bytes of one CA file; a whole store is about 200 kB. */
export const caFileBytesMax = 4 * 2 ** 20;

// TLS 1.2 only for boxes that can do no better, and then with forward secrecy and authenticated encryption.
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/**
 * A TLS context with that trust, TLS 1.2 or newer, suites with forward secrecy and authenticated encryption only.
 * @throws {ProxyConfigError} naming the CA file that cannot be read or holds no certificate.
 */
export function createTrustContext(options: TrustOptions): SecureContext {
  const given = [...(options.caFiles ?? []).map(readCaFile), ...(options.caPems ?? [])];
  const key = `${options.isExclusive === true}\n${given.join('\n')}`;
  const known = contexts.get(key);
  if (known !== undefined) return known;
  const made = makeContext(given, options.isExclusive === true);
  contexts.set(key, made);
  for (const oldest of contexts.keys()) {
    if (contexts.size <= contextsMax) break;
    contexts.delete(oldest);
  }
  return made;
}

// Reading some three hundred certificates takes 20 ms and megabytes: dialers of one process that trust the same share it.
const contexts = new Map<string, SecureContext>();
const contextsMax = 8;

function makeContext(given: readonly string[], isExclusive: boolean): SecureContext {
  const common = isExclusive ? [] : [...getCACertificates('default'), ...getCACertificates('system')];
  try {
    return createSecureContext({ ca: [...new Set([...common, ...given])], minVersion: 'TLSv1.2', ciphers });
  } catch (cause) {
    throw new ProxyConfigError(`a CA certificate cannot be read (${errorCode(cause)})`);
  }
}

function readCaFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ProxyConfigError(`the CA file ${path} cannot be read (${errorCode(cause)})`);
  }
  if (text.length > caFileBytesMax)
    throw new ProxyConfigError(`the CA file ${path} is longer than ${caFileBytesMax} bytes`);
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new ProxyConfigError(`the CA file ${path} holds no certificate in PEM form`);
  }
  return text;
}
