import { Condition, TimeoutError } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';

/** How long something may be kept: what never changes, or what is asked after each time. */
export type Keeping = 'immutable' | 'revalidated';

const cacheControl: Readonly<Record<Keeping, string>> = {
  immutable: 'public, max-age=31536000, immutable',
  revalidated: 'no-cache',
};

const corsHeaders = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'etag' };

/** Bytes that anybody may read from any page; 304 where the client has them already. */
export function publicBytes(request: Request, bytes: Uint8Array, type: string, keeping: Keeping): Response {
  const etag = `"${toHex(sha256(bytes).subarray(0, 16))}"`;
  const headers = { ...corsHeaders, 'cache-control': cacheControl[keeping], etag };
  if (isKnown(request.headers.get('if-none-match'), etag)) return new Response(null, { status: 304, headers });
  const more = { 'content-type': type, 'content-length': String(bytes.length), 'x-content-type-options': 'nosniff' };
  // A copy on a buffer of its own, as the type asks for; HEAD answers as GET does, without the bytes.
  return new Response(request.method === 'HEAD' ? null : new Uint8Array(bytes), { headers: { ...headers, ...more } });
}

function isKnown(header: string | null, etag: string): boolean {
  if (header === null || header.length > 4096) return false;
  return header.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag);
}

/** What a browser asks before a page of another origin reads with headers of its own. */
export function preflight(): Response {
  const headers = {
    ...corsHeaders,
    'access-control-allow-methods': 'GET, HEAD',
    'access-control-allow-headers': 'if-none-match',
    'access-control-max-age': '86400',
  };
  return new Response(null, { status: 204, headers });
}

/** A refusal: `{error, message}`, kept by nobody. */
export function refusal(
  status: number,
  error: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(
    { error, message },
    { status, headers: { ...corsHeaders, 'cache-control': 'no-store', ...headers } },
  );
}

const statusOf: Readonly<Record<string, number>> = {
  'entry-refused': 400,
  'board-malformed': 400,
  'board-body-refused': 400,
  'board-leaf-refused': 413,
  'not-admitted-to-board': 403,
  'board-full': 507,
};

/** What a thrown value is answered with. The texts of conditions hold no data; of anything else nothing is told. */
export function refusalOf(error: unknown): Response {
  if (error instanceof TimeoutError) return refusal(408, error.code, 'the request took too long');
  if (!(error instanceof Condition)) return refusal(503, 'unknown', 'the board cannot do this now');
  const known = statusOf[error.code];
  const { reason } = error.facts;
  if (known === 400 && reason === 'too-long') return refusal(413, error.code, error.message);
  if (known !== undefined) return refusal(known, error.code, error.message);
  return refusal(503, error.code, 'the board cannot do this now', { 'retry-after': '5' });
}
