import { isCompressed } from './body.ts';
import type { ServerContext } from './context.ts';
import { type Exchange, type ResponseHeaders, refuse, safetyHeaders } from './exchange.ts';
import { type Refusal, refusals } from './refusal.ts';

const prefix = '/link/v1/probe';
const dripCountMax = 20;
const dripEveryMsMax = 2_000;
const idleMsMax = 120_000;
const discardedBytesMax = 8 * 1024 * 1024;

/** Paths with which `doctor` finds out what a box in between does. They tell nothing about anybody else. */
export const probePaths: ReadonlySet<string> = new Set([prefix, `${prefix}/body`, `${prefix}/drip`, `${prefix}/idle`]);

/** Under way on each server; waiting ones cost memory, so that there is a limit. */
const active = new WeakMap<ServerContext, number>();

/** Answers one of {@link probePaths}. */
export function serveProbe(exchange: Exchange, cors: ResponseHeaders, context: ServerContext): void {
  const refusal = refusalOf(exchange, context);
  if (refusal !== null) {
    context.events.requestRefused(refusal.code);
    return void refuse(exchange, refusal, cors);
  }
  const count = (by: number) => active.set(context, (active.get(context) ?? 0) + by);
  count(1);
  exchange.onOver(() => count(-1));
  switch (exchange.path) {
    case `${prefix}/body`:
      return void countBody(exchange, cors, context);
    case `${prefix}/drip`:
      return void drip(exchange, cors, context);
    case `${prefix}/idle`:
      return void idle(exchange, cors, context);
    default:
      return void answer(exchange, describe(exchange, context), cors);
  }
}

function refusalOf(exchange: Exchange, context: ServerContext): Refusal | null {
  const method = exchange.path === `${prefix}/body` ? 'POST' : 'GET';
  if (exchange.method !== method) return refusals.method(method);
  const { probesMax } = context.limits;
  return (active.get(context) ?? 0) >= probesMax ? refusals.busy('probesMax', probesMax) : null;
}

function answer(exchange: Exchange, value: unknown, cors: ResponseHeaders): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  const headers = { 'content-type': 'application/json', 'content-length': body.length, ...safetyHeaders, ...cors };
  exchange.respond(200, headers, body);
}

/** What the server sees of the connection: where it differs from what the client sees, something stands in between. */
function describe(exchange: Exchange, context: ServerContext): unknown {
  const { headers, facts } = exchange;
  return {
    timeMs: context.clock.now(),
    http: facts.http,
    tls: facts.tls,
    alpn: facts.tls === 'plaintext' ? null : facts.http,
    certificateSha256: facts.certificateSha256 ?? null,
    headersSeen: {
      via: headers['via'] !== undefined,
      'x-forwarded-for': headers['x-forwarded-for'] !== undefined,
      forwarded: headers['forwarded'] !== undefined,
    },
  };
}

function countBody(exchange: Exchange, cors: ResponseHeaders, context: ServerContext): void {
  const { probeBodyBytesMax } = context.limits;
  if (isCompressed(exchange)) return void refuse(exchange, refusals.compressed(), cors);
  let bytes = 0;
  exchange.body.on('data', (piece: Uint8Array) => {
    bytes += piece.length;
    if (bytes > discardedBytesMax) exchange.destroy();
  });
  exchange.body.on('end', () => {
    if (bytes <= probeBodyBytesMax) answer(exchange, { bytes }, cors);
    else refuse(exchange, refusals.tooLarge('probeBodyBytesMax', probeBodyBytesMax), cors);
  });
  if (exchange.isBodyless) exchange.body.resume();
}

/** Lines one at a time: when they arrive together, something buffers. */
function drip(exchange: Exchange, cors: ResponseHeaders, context: ServerContext): void {
  const parameters = new URLSearchParams(exchange.query);
  const count = wholeNumber(parameters.get('count') ?? '5', 1, dripCountMax);
  const everyMs = wholeNumber(parameters.get('everyMs') ?? '100', 0, dripEveryMsMax);
  if (count === null) return void refuse(exchange, refusals.query('count', `a number, 1 to ${dripCountMax}`), cors);
  if (everyMs === null) {
    return void refuse(exchange, refusals.query('everyMs', `milliseconds, 0 to ${dripEveryMsMax}`), cors);
  }
  const out = exchange.open(200, {
    'content-type': 'text/plain',
    'x-accel-buffering': 'no',
    ...safetyHeaders,
    ...cors,
  });
  let isOver = false;
  exchange.onOver(() => {
    isOver = true;
  });
  let sent = 0;
  const next = () => {
    if (isOver) return;
    sent += 1;
    out.write(`${sent}\n`);
    if (sent >= count) out.end();
    else context.clock.setTimer(next, everyMs);
  };
  next();
}

function idle(exchange: Exchange, cors: ResponseHeaders, context: ServerContext): void {
  const ms = wholeNumber(new URLSearchParams(exchange.query).get('ms') ?? '', 0, idleMsMax);
  if (ms === null) return void refuse(exchange, refusals.query('ms', `milliseconds, 0 to ${idleMsMax}`), cors);
  const timer = context.clock.setTimer(() => answer(exchange, { ms }, cors), ms);
  exchange.onOver(() => timer.cancel());
}

function wholeNumber(text: string, min: number, max: number): number | null {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  return value >= min && value <= max ? value : null;
}
