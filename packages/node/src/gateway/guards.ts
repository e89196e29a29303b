import { isIPv4, isIPv6 } from 'node:net';

/** Headers of every answer: the page may load, run and be framed by nothing but itself. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
};

/**
 * True when the `Host` header names this server: localhost, an IP address, or one of `names`. A page that
 * rebinds its own name to this machine's address is refused here, because it sends its own name.
 */
export function isOwnHost(header: string | undefined, names: readonly string[]): boolean {
  const name = hostName(header);
  if (name === null) return false;
  return name === 'localhost' || isIPv4(name) || isIPv6(name) || names.includes(name);
}

/**
 * True when a request that changes something comes from this server's own page or from no page at all.
 * Browsers send `Origin` and `Sec-Fetch-Site` with such requests and let no page forge them.
 */
export function isOwnOrigin(headers: {
  readonly host?: string | undefined;
  readonly origin?: string | string[] | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  const { origin, host } = headers;
  if (origin === undefined) return true;
  return typeof origin === 'string' && (origin === `http://${host}` || origin === `https://${host}`);
}

function hostName(header: string | undefined): string | null {
  if (header === undefined) return null;
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?$/.exec(header);
  if (bracketed?.[1] !== undefined) return bracketed[1];
  const plain = /^([A-Za-z0-9.-]{1,253})(?::\d{1,5})?$/.exec(header);
  return plain?.[1]?.toLowerCase() ?? null;
}
