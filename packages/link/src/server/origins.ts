import type { IncomingHttpHeaders } from 'node:http2';
import { isIP } from 'node:net';
import type { ResponseHeaders } from './exchange.ts';

/** What the Origin header of a request means: absent (no browser), allowed, or of a page that may not use the link. */
export type OriginVerdict =
  | { readonly kind: 'none' }
  | { readonly kind: 'allowed'; readonly origin: string }
  | { readonly kind: 'denied' };

/**
 * Judges which pages may use the link (CSWSH). Allowed are the origins listed, `https://host[:port]` each, and the page served from
 * this very server. In plaintext only where it is asked for by address: a name could be pointed at us by anybody (DNS rebinding),
 * and no certificate speaks against it.
 */
export function createOriginJudge(
  allowed: readonly string[],
): (headers: IncomingHttpHeaders, isTls: boolean) => OriginVerdict {
  const listed = new Set(allowed);
  return (headers, isTls) => {
    const origin = headers['origin'];
    if (origin === undefined) return { kind: 'none' };
    if (listed.has(origin)) return { kind: 'allowed', origin };
    const host = headers[':authority'] ?? headers.host;
    const isOwn = typeof host === 'string' && origin === `${isTls ? 'https' : 'http'}://${host}`;
    return isOwn && (isTls || isAddress(host)) ? { kind: 'allowed', origin } : { kind: 'denied' };
  };
}

function isAddress(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '').replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || isIP(name) !== 0;
}

/** What a page of an allowed origin needs to read the answer. */
export function corsHeaders(verdict: OriginVerdict): ResponseHeaders {
  return verdict.kind === 'allowed' ? { 'access-control-allow-origin': verdict.origin, vary: 'origin' } : noHeaders;
}

/** The answer to a browser's question before a POST. */
export function preflightHeaders(verdict: OriginVerdict): ResponseHeaders {
  return {
    ...corsHeaders(verdict),
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': 'content-type',
    'access-control-max-age': '600',
  };
}

const noHeaders: ResponseHeaders = {};
