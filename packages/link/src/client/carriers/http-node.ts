import http from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '@pulsemesh/base';
import type { ConnectionFacts } from '../../carrier.ts';
import type { Dialer } from '../../dialer.ts';
import { writePieces } from '../../write-pieces.ts';
import { asCarrierError, CarrierError } from '../errors.ts';
import { bufferedBytesMax } from './base-carrier.ts';
import { dialTargetOf } from './dial.ts';
import {
  type ExchangeAnswer,
  type ExchangeRequest,
  type HttpExchange,
  parseRetryAfter,
  type Upload,
  type UploadRequest,
} from './http-exchange.ts';

/** Connections of one carrier: a stream or waiting poll, and the POSTs beside it. */
const socketsMax = 4;

/** HTTP/1.1 over keep-alive connections of the dialer. Belongs to one carrier, which closes it. */
export function createNodeExchange(url: URL, deps: { readonly clock: Clock; readonly dialer: Dialer }): HttpExchange {
  const abort = new AbortController();
  const agent = new http.Agent({ keepAlive: true, maxSockets: socketsMax, maxFreeSockets: socketsMax });
  const facts: { current: ConnectionFacts } = { current: {} };
  agent.createConnection = (_options, onCreate) => {
    deps.dialer.connect({ ...dialTargetOf(url, ['http/1.1']), signal: abort.signal }).then(
      (dialed) => {
        facts.current = { ...dialed.facts, http: 'http/1.1' };
        dialed.socket.setNoDelay(true);
        if (abort.signal.aborted) dialed.socket.destroy();
        else onCreate?.(null, dialed.socket);
      },
      // Node's type wants a stream beside the error, its code does not.
      (error: Error) => onCreate?.(error, undefined as unknown as Duplex),
    );
    return undefined;
  };
  return {
    get connection() {
      return facts.current;
    },
    post: (request) => post(request, { url, agent, clock: deps.clock }),
    upload: (request) => upload(request, { url, agent }),
    close() {
      abort.abort(new CarrierError('closed', 'the carrier was closed here'));
      agent.destroy();
    },
  };
}

function upload(request: UploadRequest, { url, agent }: { readonly url: URL; readonly agent: http.Agent }): Upload {
  // Without a length the body goes out in chunks (RFC 9112 §7.1).
  const outgoing = http.request({
    agent,
    method: 'POST',
    path: request.path,
    headers: { host: url.host, 'content-type': 'application/octet-stream', 'transfer-encoding': 'chunked' },
  });
  outgoing.on('drain', request.onDrain);
  const answer = new Promise<ExchangeAnswer>((resolve, reject) => {
    outgoing.on('error', (error) => reject(asCarrierError(error)));
    outgoing.on('close', () => reject(new CarrierError('cut', 'the request was cut')));
    outgoing.on('response', (incoming) => {
      incoming.on('error', (error) => reject(asCarrierError(error)));
      incoming.on('end', () => {
        const retryAfterMs = parseRetryAfter(incoming.headers['retry-after']);
        resolve({ status: incoming.statusCode ?? 0, retryAfterMs });
      });
      incoming.resume();
    });
  });
  return {
    answer,
    get hasRoom() {
      return !outgoing.writableNeedDrain && outgoing.writableLength < bufferedBytesMax;
    },
    write: (pieces) => void writePieces(outgoing, pieces),
    end: () => void outgoing.end(),
    destroy: () => void outgoing.destroy(),
  };
}

function post(
  request: ExchangeRequest,
  context: { readonly url: URL; readonly agent: http.Agent; readonly clock: Clock },
): Promise<ExchangeAnswer> {
  const { url, agent, clock } = context;
  return new Promise((resolve, reject) => {
    const outgoing = http.request({
      agent,
      method: 'POST',
      path: request.path,
      headers: {
        host: url.host,
        'content-type': 'application/octet-stream',
        'content-length': request.body.length,
      },
    });
    const { timeoutMs } = request;
    const timer =
      timeoutMs === undefined
        ? null
        : clock.setTimer(() => {
            outgoing.destroy(new CarrierError('timeout', `no answer within ${timeoutMs} ms`, { facts: { timeoutMs } }));
          }, timeoutMs);
    const fail = (error: unknown) => {
      timer?.cancel();
      reject(asCarrierError(error));
    };
    outgoing.on('error', fail);
    outgoing.on('response', (incoming) => {
      const status = incoming.statusCode ?? 0;
      const isOurs = status === 200;
      incoming.on('error', fail);
      incoming.on('end', () => {
        timer?.cancel();
        resolve({ status, retryAfterMs: parseRetryAfter(incoming.headers['retry-after']) });
      });
      if (isOurs) request.onHead?.();
      if (isOurs && request.onData !== undefined) incoming.on('data', request.onData);
      else incoming.resume();
    });
    outgoing.end(request.body);
  });
}
