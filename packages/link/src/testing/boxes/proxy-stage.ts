import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TestCertificate } from './certificates.ts';
import { createNtlmChallenger, type NtlmChallenger } from './ntlm-challenger.ts';
import { listen, type Place, type Stage, splice } from './stage.ts';

export interface ProxyCredentials {
  readonly username: string;
  readonly password: string;
  /** For NTLM; default empty. */
  readonly domain?: string;
}

/** What a CONNECT proxy asks of those who use it. */
export interface ProxyRules {
  readonly auth?: 'basic' | 'ntlm' | 'negotiate';
  readonly credentials?: ProxyCredentials;
  /** The proxy itself is spoken to over TLS. */
  readonly certificate?: TestCertificate;
  /** Answers every CONNECT with this status. */
  readonly refusesWith?: number;
  /** Sent as it is instead of an answer: for clients that must bear anything. */
  readonly rawAnswer?: string;
}

export interface ProxyStage extends Stage {
  /** What was asked for, `host:port` each, in order. */
  readonly asked: readonly string[];
}

const headBytesMax = 16 * 1024;

/** A CONNECT proxy (RFC 9110 §9.3.6): whatever is asked for, it leads to `next`. */
export async function startProxyStage(next: Place, rules: ProxyRules): Promise<ProxyStage> {
  const asked: string[] = [];
  const onSocket = (socket: Socket) => serveProxy(socket, next, rules, asked);
  const { certificate } = rules;
  const server =
    certificate === undefined
      ? createServer({ noDelay: true }, onSocket)
      : createTlsServer({ cert: certificate.certificatePem, key: certificate.keyPem }, onSocket);
  server.on('tlsClientError', () => {});
  const stage = await listen(server);
  return { port: stage.port, asked, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

function serveProxy(socket: Socket, next: Place, rules: ProxyRules, asked: string[]): void {
  const ntlm = rules.auth === 'ntlm' ? createNtlmChallenger(wantedCredentials(rules)) : undefined;
  let buffered = '';
  socket.on('error', () => socket.destroy());
  const onData = (chunk: Buffer) => {
    buffered += chunk.toString('latin1');
    if (buffered.length > headBytesMax) socket.destroy();
    const end = buffered.indexOf('\r\n\r\n');
    if (end === -1) return;
    const head = buffered.slice(0, end);
    buffered = buffered.slice(end + 4);
    const authority = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(`${head}\r\n`)?.[1];
    if (authority === undefined) return void socket.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n');
    asked.push(authority);
    const answer = judge(head, rules, ntlm);
    if (answer !== 'pass') return void socket.write(answer);
    socket.off('data', onData);
    openTunnel(socket, next, Buffer.from(buffered, 'latin1'));
  };
  socket.on('data', onData);
}

function openTunnel(socket: Socket, next: Place, early: Buffer): void {
  const back = connect({ ...next, noDelay: true }, () => {
    socket.write('HTTP/1.1 200 Connection established\r\nVia: 1.1 test-proxy\r\n\r\n');
    back.write(early);
    splice(socket, back);
  });
  back.once('error', () => {
    if (!socket.destroyed) socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
  });
}

function judge(head: string, rules: ProxyRules, ntlm: NtlmChallenger | undefined): 'pass' | string {
  if (rules.rawAnswer !== undefined) return rules.rawAnswer;
  if (rules.refusesWith !== undefined) {
    const body = 'Blocked by policy';
    return `HTTP/1.1 ${rules.refusesWith} Refused\r\nVia: 1.1 test-proxy\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  }
  if (rules.auth === undefined) return 'pass';
  const given = /\r\nProxy-Authorization: *(\S+) +(\S+)/i.exec(head);
  const scheme = given?.[1]?.toLowerCase();
  const token = given?.[2] ?? '';
  if (rules.auth === 'negotiate') return refuse(['Negotiate']);
  if (ntlm !== undefined) {
    const verdict = scheme === 'ntlm' ? ntlm.judge(token) : { kind: 'refused' as const };
    if (verdict.kind === 'accepted') return 'pass';
    // A real one offers what it would rather have first.
    return refuse(verdict.kind === 'challenge' ? [`NTLM ${verdict.token}`] : ['Negotiate', 'NTLM']);
  }
  const { username, password } = wantedCredentials(rules);
  const wanted = Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
  return scheme === 'basic' && token === wanted ? 'pass' : refuse(['Basic realm="test-proxy"']);
}

function refuse(challenges: readonly string[]): string {
  const headers = challenges.map((challenge) => `Proxy-Authenticate: ${challenge}\r\n`).join('');
  const body = 'Who are you?';
  return `HTTP/1.1 407 Proxy Authentication Required\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function wantedCredentials(rules: ProxyRules): ProxyCredentials {
  return rules.credentials ?? { username: 'agent', password: 'correct horse' };
}
