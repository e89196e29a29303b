import { type IncomingMessage, request as plainRequest, type RequestOptions, type ServerResponse } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { bufferedBytesMax, type HttpContext } from './http-context.ts';

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** One HTTP/1.1 exchange through the box. */
export function forwardRequest(request: IncomingMessage, response: ServerResponse, context: HttpContext): void {
  const { rules, clock } = context;
  if (rules.bodyBytesMax !== undefined && Number(request.headers['content-length'] ?? 0) > rules.bodyBytesMax) {
    refuseBody(request, response);
    return;
  }
  const upstream = requestServer(context, {
    method: request.method,
    path: request.url,
    headers: forwardable(request.rawHeaders),
  });
  const timer =
    rules.requestMsMax === undefined ? undefined : clock.setTimer(() => cut(response, upstream), rules.requestMsMax);
  response.on('close', () => {
    timer?.cancel();
    upstream.destroy();
  });
  upstream.on('error', () => fail(response, 502));
  upstream.on('response', (answer) => {
    answer.on('data', context.tap);
    if (rules.buffersResponses === true) giveWhenComplete(answer, response);
    else giveAsItComes(answer, response);
  });
  sendBody(request, response, upstream, context);
}

/** A request to the server behind the box, TLS or not as it wants. */
export function requestServer(context: HttpContext, options: RequestOptions) {
  const { target, agent } = context;
  const common = { ...options, host: target.host, port: target.port, agent, setHost: false };
  if (target.tls === undefined) return plainRequest(common);
  return tlsRequest({ ...common, ca: target.tls.ca, servername: target.tls.servername ?? 'localhost' });
}

/** Name, value, name, value …: what goes on to the other side, with the box's own Via. */
export function forwardable(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (!hopByHop.has(name.toLowerCase())) kept.push(name, rawHeaders[index + 1] as string);
  }
  return [...kept, 'Via', '1.1 test-box'];
}

function sendBody(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: ReturnType<typeof requestServer>,
  { rules, tap }: HttpContext,
): void {
  const bytesMax = rules.bodyBytesMax ?? Number.POSITIVE_INFINITY;
  const held: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    tap(chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) {
      upstream.destroy();
      return refuseBody(request, response);
    }
    if (rules.buffersRequests === true) held.push(chunk);
    else if (!upstream.write(chunk)) {
      request.pause();
      upstream.once('drain', () => request.resume());
    }
  });
  request.on('end', () => {
    if (upstream.destroyed) return;
    for (const chunk of held) upstream.write(chunk);
    upstream.end();
  });
}

function giveAsItComes(answer: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.statusCode ?? 502, forwardable(answer.rawHeaders));
  response.flushHeaders();
  answer.pipe(response);
  answer.on('error', () => response.destroy());
  answer.on('aborted', () => response.destroy());
}

function giveWhenComplete(answer: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > bufferedBytesMax) answer.destroy();
  });
  answer.on('error', () => fail(response, 502));
  answer.on('end', () => {
    if (response.headersSent) return;
    const body = Buffer.concat(chunks);
    response.writeHead(answer.statusCode ?? 502, forwardable(answer.rawHeaders));
    response.end(body);
  });
}

function refuseBody(request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) return;
  response.writeHead(413, { 'content-length': 0 });
  response.end();
  request.resume(); // what is still coming is read, so that the answer is not lost to a reset
}

function cut(response: ServerResponse, upstream: ReturnType<typeof requestServer>): void {
  upstream.destroy();
  fail(response, 504);
}

function fail(response: ServerResponse, status: number): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.writeHead(status, { 'content-length': 0 });
  response.end();
}
