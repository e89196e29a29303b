import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { bufferedBytesMax, type HttpContext } from './http-context.ts';

/** The HTTP/2 half of an inspecting box. */
export interface Http2Forwarder {
  /** Serves HTTP/2 on a connection whose TLS is already done. */
  take(socket: Duplex): void;
  close(): void;
}

/** Forwards HTTP/2 streams, trailers and RFC 8441's CONNECT to the server, one session behind for each one in front. */
export function createHttp2Forwarder(context: HttpContext): Http2Forwarder {
  const enableConnectProtocol = (context.rules.upgrade ?? 'pass') !== 'strip';
  const server = createServer({ settings: { enableConnectProtocol } });
  const open = new Set<ClientHttp2Session>();
  server.on('session', (front) => {
    const back = connectServer(context);
    open.add(back);
    front.on('error', () => front.destroy());
    back.on('error', () => front.destroy());
    back.on('close', () => {
      open.delete(back);
      front.destroy();
    });
    front.on('close', () => back.destroy());
    front.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number) => {
      void forwardStream(stream, headers, flags, back, context);
    });
  });
  return {
    take: (socket) => void server.emit('connection', socket),
    close: () => {
      for (const session of open) session.destroy();
    },
  };
}

function connectServer({ target }: HttpContext): ClientHttp2Session {
  return connect(`https://${target.host}:${target.port}`, {
    ca: target.tls?.ca,
    servername: target.tls?.servername ?? 'localhost',
    ALPNProtocols: ['h2'],
  });
}

async function forwardStream(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  back: ClientHttp2Session,
  context: HttpContext,
): Promise<void> {
  const { rules, clock } = context;
  stream.on('error', () => {});
  if (headers[':protocol'] !== undefined) {
    if (rules.upgrade === 'refuse') return refuse(stream, 403);
    if (rules.upgrade === 'swallow') {
      stream.respond({ ':status': 200 });
      return void stream.resume();
    }
    await settingsOf(back);
  }
  if (Number(headers['content-length'] ?? 0) > (rules.bodyBytesMax ?? Number.POSITIVE_INFINITY)) {
    return refuse(stream, 413);
  }
  if (back.destroyed || stream.destroyed) return stream.close(constants.NGHTTP2_CANCEL);
  const isComplete = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
  const upstream = back.request({ ...headers, via: '2 test-box' }, { endStream: isComplete });
  const timer =
    rules.requestMsMax === undefined ? undefined : clock.setTimer(() => cut(stream, upstream), rules.requestMsMax);
  stream.on('close', () => {
    timer?.cancel();
    upstream.close(constants.NGHTTP2_CANCEL);
  });
  upstream.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  upstream.on('data', context.tap);
  giveResponse(upstream, stream, rules.buffersResponses === true);
  if (!isComplete) sendBody(stream, upstream, context);
}

function settingsOf(session: ClientHttp2Session): Promise<void> {
  if (session.remoteSettings?.enableConnectProtocol === true) return Promise.resolve();
  return new Promise((resolve) => {
    session.once('remoteSettings', () => resolve());
    session.once('close', () => resolve());
  });
}

function sendBody(stream: ServerHttp2Stream, upstream: ClientHttp2Stream, { rules, tap }: HttpContext): void {
  const bytesMax = rules.bodyBytesMax ?? Number.POSITIVE_INFINITY;
  const held: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    tap(chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) return refuse(stream, 413);
    if (rules.buffersRequests === true) held.push(chunk);
    else if (!upstream.write(chunk)) {
      stream.pause();
      upstream.once('drain', () => stream.resume());
    }
  });
  stream.on('end', () => {
    for (const chunk of held) upstream.write(chunk);
    upstream.end();
  });
}

function giveResponse(upstream: ClientHttp2Stream, stream: ServerHttp2Stream, isBuffered: boolean): void {
  let trailers: IncomingHttpHeaders = {};
  let held: Buffer[] | undefined = isBuffered ? [] : undefined;
  let bytes = 0;
  let head: IncomingHttpHeaders = {};
  const respond = () => {
    if (stream.destroyed || stream.headersSent) return;
    stream.respond(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  };
  upstream.on('trailers', (given: IncomingHttpHeaders) => {
    trailers = given;
  });
  upstream.on('response', (given: IncomingHttpHeaders) => {
    head = given;
    if (!isBuffered) respond();
  });
  upstream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (held !== undefined) {
      held.push(chunk);
      if (bytes > bufferedBytesMax) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    } else if (!stream.destroyed && !stream.write(chunk)) {
      upstream.pause();
      stream.once('drain', () => upstream.resume());
    }
  });
  upstream.on('end', () => {
    respond();
    if (stream.destroyed) return;
    for (const chunk of held ?? []) stream.write(chunk);
    held = undefined;
    stream.end();
  });
}

function cut(stream: ServerHttp2Stream, upstream: ClientHttp2Stream): void {
  upstream.close(constants.NGHTTP2_CANCEL);
  if (stream.headersSent) stream.close(constants.NGHTTP2_CANCEL);
  else refuse(stream, 504);
}

function refuse(stream: ServerHttp2Stream, status: number): void {
  if (stream.destroyed || stream.headersSent) return void stream.close(constants.NGHTTP2_CANCEL);
  stream.respond({ ':status': status }, { endStream: true });
  stream.resume();
}
