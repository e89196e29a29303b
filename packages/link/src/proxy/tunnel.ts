import type { Socket } from 'node:net';
import { errorMessage } from '@pulsemesh/base';
import { ProxyAuthError, ProxyProtocolError, ProxyRefusedError } from './errors.ts';
import { bodyLengthOf, type HttpHead, HttpHeadError, keepsAlive, parseHttpHead } from './http-head.ts';
import {
  type AuthScheme,
  basicAuthorization,
  chooseScheme,
  ntlmAnswer,
  ntlmNegotiate,
  offeredSchemes,
} from './proxy-auth.ts';
import { hostAndPort, type ProxyServer } from './proxy-server.ts';
import { ConnectionEndedError, SocketReader, TooLongError } from './socket-reader.ts';

/** Limits of one CONNECT exchange. */
export const tunnelLimits = {
  /** Head of one answer. */
  headBytesMax: 16 * 1024,
  /** Body of a 407 that is read past, so that the connection can be used again. */
  bodyBytesMax: 64 * 1024,
  /** Requests until the tunnel stands: bare, NTLM's two, and one more where another scheme was remembered. */
  requestsMax: 4,
  /** 1xx answers before the real one. */
  interimAnswersMax: 4,
} as const;

export interface TunnelOptions {
  readonly proxy: ProxyServer;
  readonly host: string;
  readonly port: number;
  /** What worked with this proxy last time; null: ask without a password first, since not every proxy should be told it. */
  readonly scheme: AuthScheme | null;
  readonly allowsNtlmVersion1: boolean;
  /** Opens a new connection to the proxy, TLS done where the proxy has it. */
  readonly connect: () => Promise<Socket>;
}

export interface Tunnel {
  /** Leads to the target. */
  readonly socket: Socket;
  readonly scheme: AuthScheme | null;
}

/**
 * Makes a tunnel with CONNECT (RFC 9110 §9.3.6), proving itself with Basic or NTLM where the proxy wants that. NTLM belongs to a
 * connection: all its messages go over the same one.
 * @throws {ProxyAuthError}, {ProxyRefusedError}, {ProxyProtocolError}, or what `connect` throws; no socket is left open then.
 */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const name = hostAndPort(options.proxy.host, options.proxy.port);
  const attempt: Attempt = { options, name, scheme: options.scheme, authorization: null, isFinal: false };
  if (attempt.scheme !== null) authorizeFirst(attempt);
  let socket = await options.connect();
  try {
    for (let request = 0; request < tunnelLimits.requestsMax; request += 1) {
      const reader = new SocketReader(socket);
      const head = await ask(socket, reader, attempt);
      if (head.status >= 200 && head.status < 300) {
        reader.release();
        return { socket, scheme: attempt.scheme };
      }
      if (head.status !== 407) throw refused(attempt, head);
      const isSameConnection = decideNext(attempt, head);
      if (isSameConnection) {
        if (!(await readPastBody(reader, head)))
          throw new ProxyProtocolError(name, 'it cannot do NTLM on a connection it ends');
        reader.release();
      } else {
        // Some proxies keep a refused connection open and never serve it again (mitmproxy); a new one is safe with all.
        socket.destroy();
        socket = await options.connect();
      }
    }
    throw new ProxyProtocolError(name, 'it asked for a password again and again');
  } catch (error) {
    socket.destroy();
    throw asProxyCondition(error, name);
  }
}

interface Attempt {
  readonly options: TunnelOptions;
  readonly name: string;
  scheme: AuthScheme | null;
  /** The next request's Proxy-Authorization. */
  authorization: string | null;
  /** The authorization is complete: another 407 is a refusal. */
  isFinal: boolean;
}

async function ask(socket: Socket, reader: SocketReader, attempt: Attempt): Promise<HttpHead> {
  const target = hostAndPort(attempt.options.host, attempt.options.port);
  const authorization = attempt.authorization === null ? '' : `Proxy-Authorization: ${attempt.authorization}\r\n`;
  // Old proxies look at Proxy-Connection; the rest ignore it.
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Connection: keep-alive\r\n${authorization}\r\n`);
  for (let answer = 0; answer <= tunnelLimits.interimAnswersMax; answer += 1) {
    const head = parseHttpHead(await reader.readUntil('\r\n\r\n', tunnelLimits.headBytesMax));
    if (head.status >= 200) return head;
  }
  throw new ProxyProtocolError(attempt.name, 'only interim answers');
}

function authorizeFirst(attempt: Attempt): void {
  const { credentials } = attempt.options.proxy;
  if (credentials === null) return;
  attempt.authorization = attempt.scheme === 'ntlm' ? ntlmNegotiate() : basicAuthorization(credentials);
  attempt.isFinal = attempt.scheme === 'basic';
}

/** Sets the next authorization; true when it belongs to this connection. */
function decideNext(attempt: Attempt, head: HttpHead): boolean {
  const { credentials } = attempt.options.proxy;
  const offered = offeredSchemes(head);
  if (attempt.isFinal) throw new ProxyAuthError(attempt.name, 'refused', offered);
  if (attempt.authorization !== null && attempt.scheme === 'ntlm' && credentials !== null) {
    attempt.authorization = ntlmAnswer(head, credentials, attempt.options.allowsNtlmVersion1, attempt.name);
    attempt.isFinal = true;
    return true;
  }
  attempt.scheme = chooseScheme(offered);
  if (attempt.scheme === null) throw new ProxyAuthError(attempt.name, 'unsupported', offered);
  if (credentials === null) throw new ProxyAuthError(attempt.name, 'missing', offered);
  authorizeFirst(attempt);
  return false;
}

/** Reads past the body of a 407; false when the connection cannot be used for another request. */
async function readPastBody(reader: SocketReader, head: HttpHead): Promise<boolean> {
  const length = bodyLengthOf(head);
  if (!keepsAlive(head) || length.kind === 'until-close') return false;
  if (length.kind === 'bytes') {
    if (length.count > tunnelLimits.bodyBytesMax) return false;
    await reader.skip(length.count);
    return true;
  }
  return await readPastChunks(reader);
}

async function readPastChunks(reader: SocketReader): Promise<boolean> {
  let left: number = tunnelLimits.bodyBytesMax;
  while (left > 0) {
    const size = /^([0-9a-fA-F]{1,6})(?:;.*)?$/.exec(await reader.readUntil('\r\n', 256))?.[1];
    if (size === undefined) throw new HttpHeadError('a chunk without a size');
    const bytes = Number.parseInt(size, 16);
    left -= bytes + 1;
    if (left <= 0) return false;
    if (bytes > 0) await reader.skip(bytes + 2);
    else return (await reader.readUntil('\r\n', 256)) === ''; // a trailer: not worth reading on
  }
  return false;
}

function refused(attempt: Attempt, head: HttpHead): ProxyRefusedError {
  const via = head.values('via')[0] ?? head.values('server')[0] ?? null;
  const target = hostAndPort(attempt.options.host, attempt.options.port);
  return new ProxyRefusedError(attempt.name, target, head.status, via === null ? null : via.slice(0, 100));
}

function asProxyCondition(error: unknown, proxy: string): unknown {
  if (error instanceof HttpHeadError || error instanceof TooLongError || error instanceof ConnectionEndedError) {
    return new ProxyProtocolError(proxy, errorMessage(error));
  }
  return error;
}
