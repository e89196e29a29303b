import { Condition, type ErrorFacts } from '@pulsemesh/base';

/** A request the server does not serve, as told to whoever sent it. */
export interface Refusal {
  readonly status: number;
  /** Stable, for machines. */
  readonly code: string;
  /** What is wrong, one sentence. */
  readonly error: string;
  /** What to do about it, one sentence. */
  readonly help: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The body of a refusal: one line of JSON. */
export function refusalBody(refusal: Refusal): Uint8Array {
  const { error, code, help } = refusal;
  return Buffer.from(`${JSON.stringify({ error, code, help })}\n`);
}

const retryLater = { 'retry-after': '2' } as const;

/** Every refusal of the server, by what causes it. */
export const refusals = {
  notFound: (): Refusal => ({
    status: 404,
    code: 'not-found',
    error: 'There is nothing at this path.',
    help: 'A link begins at /link/v1/websocket, /link/v1/stream, /link/v1/poll, or with gRPC; see link.proto.',
  }),
  method: (allowed: string): Refusal => ({
    status: 405,
    code: 'method',
    error: `This path takes ${allowed} only.`,
    help: `Send ${allowed}; see link.proto.`,
    headers: { allow: allowed },
  }),
  carrierId: (): Refusal => ({
    status: 400,
    code: 'carrier-id',
    error: 'The query has no carrier id.',
    help: 'Add ?c= and 32 lower-case hex digits that you draw for each carrier.',
  }),
  query: (name: string, range: string): Refusal => ({
    status: 400,
    code: 'query',
    error: `The parameter ${name} is not what it should be.`,
    help: `Give ${name} as ${range}.`,
  }),
  unknownCarrier: (): Refusal => ({
    status: 404,
    code: 'unknown-carrier',
    error: 'This carrier is not known here, or over.',
    help: 'Open it first with /link/v1/stream or /link/v1/poll.',
  }),
  carrierTaken: (): Refusal => ({
    status: 409,
    code: 'carrier-taken',
    error: 'This carrier id is in use for another transport.',
    help: 'Draw a new id for each carrier.',
  }),
  carrierClosed: (): Refusal => ({
    status: 410,
    code: 'carrier-closed',
    error: 'The server closed this carrier.',
    help: 'Open a new one under a new id.',
  }),
  malformed: (): Refusal => ({
    status: 400,
    code: 'malformed',
    error: 'The body is not a sequence of framed packets.',
    help: 'Before each packet: one zero byte and the length as 4 bytes big-endian.',
  }),
  badRequest: (): Refusal => ({
    status: 400,
    code: 'bad-request',
    error: 'This is not a well-formed HTTP request.',
    help: 'Check what stands between you and the server: it may rewrite requests.',
  }),
  tooLarge: (limit: string, bytesMax: number): Refusal => ({
    status: 413,
    code: 'too-large',
    error: `The body is longer than ${limit}, ${bytesMax} bytes.`,
    help: 'Send fewer packets in one request, or smaller ones.',
  }),
  headTooLarge: (limit: string, max: number): Refusal => ({
    status: 431,
    code: 'head-too-large',
    error: `The request head is over ${limit}, ${max}.`,
    help: 'Send fewer or shorter header fields.',
  }),
  slow: (limit: string, limitMs: number): Refusal => ({
    status: 408,
    code: 'too-slow',
    error: `The request was not complete within ${limit}, ${limitMs} ms.`,
    help: 'Send it in one go, or in smaller parts.',
  }),
  compressed: (): Refusal => ({
    status: 415,
    code: 'compressed',
    error: 'Compressed bodies are not taken.',
    help: 'Send the body as it is, without content-encoding.',
  }),
  origin: (): Refusal => ({
    status: 403,
    code: 'origin',
    error: 'Pages of this origin may not use this server.',
    help: "Ask its operator to add the page's origin to the allowed ones.",
  }),
  subprotocol: (): Refusal => ({
    status: 400,
    code: 'subprotocol',
    error: 'The WebSocket does not offer the subprotocol pulsemesh.link.v1.',
    help: 'Offer it in Sec-WebSocket-Protocol.',
  }),
  handshake: (): Refusal => ({
    status: 400,
    code: 'handshake',
    error: 'This is not a WebSocket handshake of version 13.',
    help: 'Use a WebSocket client; a box in between may have removed header fields.',
    headers: { 'sec-websocket-version': '13' },
  }),
  grpcOnHttp1: (): Refusal => ({
    status: 426,
    code: 'needs-h2',
    error: 'gRPC needs HTTP/2 and this is HTTP/1.1.',
    help: 'Something in between speaks only HTTP/1.1: use /link/v1/websocket, /link/v1/stream or /link/v1/poll.',
  }),
  contentType: (expected: string): Refusal => ({
    status: 415,
    code: 'content-type',
    error: `The content type is not ${expected}.`,
    help: `Send content-type: ${expected}.`,
  }),
  busy: (limit: string, max: number): Refusal => ({
    status: 503,
    code: 'busy',
    error: `The server is full: ${limit}, ${max}.`,
    help: 'Try again later.',
    headers: retryLater,
  }),
  perAddress: (limit: string, max: number): Refusal => ({
    status: 429,
    code: 'address-limit',
    error: `Too many from one address: ${limit}, ${max}.`,
    help: 'Close some, or ask the operator to raise the limit.',
    headers: retryLater,
  }),
  draining: (): Refusal => ({
    status: 503,
    code: 'draining',
    error: 'The server is going down.',
    help: 'Connect again: another one, or this one once it is back.',
    headers: retryLater,
  }),
  internal: (): Refusal => ({
    status: 500,
    code: 'internal',
    error: 'The server failed on this request.',
    help: 'Try again; if it goes on, tell the operator the time it happened.',
  }),
} as const;

/** Why a carrier of the server is over. Codes: `cut`, `idle`, `stalled`, `silent`, `malformed`, `too-large`, `draining`. */
export class CarrierOverError extends Condition {
  override readonly name = 'CarrierOverError';
  constructor(code: string, text: string, facts: ErrorFacts = {}) {
    super(`carrier-${code}`, text, { facts, retryable: true });
  }
}

/** The reasons for which the server's side ends a carrier. */
export const carrierOver = {
  cut: () => new CarrierOverError('cut', 'the connection below the carrier was cut'),
  idle: (afterMs: number) => new CarrierOverError('idle', 'nobody asked for the carrier any more', { afterMs }),
  stalled: (afterMs: number) => new CarrierOverError('stalled', 'the other end stopped reading', { afterMs }),
  silent: (afterMs: number) => new CarrierOverError('silent', 'nothing came over the carrier', { afterMs }),
  malformed: () => new CarrierOverError('malformed', 'what came is not a sequence of packets'),
  tooLarge: (bytesMax: number) => new CarrierOverError('too-large', 'a packet is over the limit', { bytesMax }),
  draining: () => new CarrierOverError('draining', 'the server is going down'),
} as const;
