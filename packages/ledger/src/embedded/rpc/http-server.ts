import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorCode } from '@pulsemesh/base';
import { ChainAddressError, overLimit, RpcRefusal, rpcCodes } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import type { Json } from './answers.ts';
import { type Dispatch, faultOf } from './dispatch.ts';

/** A server that listens. */
export interface RpcServer extends AsyncDisposable {
  readonly url: string;
}

/**
 * JSON-RPC 2.0 over HTTP POST, with batches. No page may use it: a request with an `Origin`, without `application/json`, or, on the loopback,
 * for another host's name (a name turned to this machine) is refused; pages go through their node's own API.
 * @throws {ChainAddressError}.
 */
export async function startRpcServer(dispatch: Dispatch, host: string, port: number): Promise<RpcServer> {
  // Kept open for long: a client that was busy finds its connection still there instead of closed under its hands.
  const times = { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 120_000 };
  const server = createServer(times, (request, response) => {
    void answer(dispatch, host, request, response);
  });
  server.maxConnections = embeddedLimits.connectionsMax;
  const name = host.includes(':') ? `[${host}]` : host;
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ChainAddressError(`${name}:${port}`, errorCode(error));
  }
  const { port: bound } = server.address() as AddressInfo; // of a TCP server
  return { url: `http://${name}:${bound}`, [Symbol.asyncDispose]: () => close(server) };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

async function answer(
  dispatch: Dispatch,
  host: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const status = refusedStatus(request, host);
    if (status !== null) return end(response, status, null);
    const body = await readBody(request);
    if (body === null) return end(response, 413, failure(null, faultOf(overLimit('bodyBytesMax'))));
    end(response, 200, await answerBody(dispatch, body));
  } catch {
    // The connection broke while it was read: nobody is there to be told.
    response.destroy();
  }
}

/** The status a request is refused with before it is read, or null. */
function refusedStatus(request: IncomingMessage, host: string): number | null {
  const { headers, method } = request;
  if (headers.origin !== undefined || !isOwnName(headers.host, host)) return 403;
  if (method !== 'POST') return 405;
  const [type] = (headers['content-type'] ?? '').split(';');
  return type?.trim().toLowerCase() === 'application/json' ? null : 415;
}

const loopbackNames: readonly string[] = ['localhost', '127.0.0.1', '::1'];

/** On the loopback only its own names will do; who listens for others is called by names that are not known here. */
function isOwnName(asked: string | undefined, host: string): boolean {
  const name = asked?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (name === undefined) return false;
  return !loopbackNames.includes(host) || loopbackNames.includes(name);
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  // Not torn down when it is left early, so that the refusal can still be said.
  const stream = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const part of stream) {
    bytes += part.length;
    if (bytes > embeddedLimits.bodyBytesMax) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function answerBody(dispatch: Dispatch, body: string): Promise<unknown> {
  let asked: unknown;
  try {
    asked = JSON.parse(body);
  } catch {
    return failure(null, { code: rpcCodes.parse, message: 'not JSON' });
  }
  if (!Array.isArray(asked)) return answerOne(dispatch, asked);
  if (asked.length === 0) return failure(null, { code: rpcCodes.request, message: 'an empty batch' });
  if (asked.length > embeddedLimits.batchMax) return failure(null, faultOf(overLimit('batchMax')));
  const answers = await Promise.all(asked.map((one) => answerOne(dispatch, one)));
  const said = answers.filter((one) => one !== undefined);
  return said.length === 0 ? undefined : said;
}

/** Undefined: a notification, which is not answered. */
async function answerOne(dispatch: Dispatch, asked: unknown): Promise<unknown> {
  const call = typeof asked === 'object' && asked !== null ? (asked as Readonly<Record<string, unknown>>) : {};
  const { method } = call as { method?: unknown };
  const id = idOf(call['id']);
  if (typeof method !== 'string') {
    return failure(id ?? null, faultOf(new RpcRefusal(rpcCodes.request, 'not a JSON-RPC request')));
  }
  const outcome = await dispatch.call(method, call['params']);
  return id === undefined ? undefined : { jsonrpc: '2.0', id, ...outcome };
}

function idOf(id: unknown): string | number | null | undefined {
  if (typeof id === 'string') return id.slice(0, 256);
  return typeof id === 'number' || id === null ? id : undefined;
}

function failure(
  id: string | number | null,
  error: { readonly code: number; readonly message: string; readonly data?: Json },
) {
  return { jsonrpc: '2.0', id, error };
}

function end(response: ServerResponse, status: number, body: unknown): void {
  const text = body === undefined || body === null ? '' : JSON.stringify(body);
  // A body that was not read to its end makes the connection useless.
  const connection = status === 200 ? {} : { connection: 'close' };
  // With its length known the answer goes out in one piece.
  const length = { 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, { 'content-type': 'application/json', ...length, ...connection }).end(text);
}
