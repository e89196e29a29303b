import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { Condition, errorCode } from '@pulsemesh/base';
import {
  type AgentView,
  AuthorityFolderError,
  type AuthorityFolderOptions,
  type AuthoritySettings,
  authorityFileNames,
  authorityHttpPrefix,
  openAuthorityFolder,
  type PendingRequest,
  type RevocationTarget,
  readAuthoritySettings,
  type TokenFacts,
} from '@pulsemesh/identity/authority';
import type { PeerId } from '@pulsemesh/wire';
import { readToken } from '../gateway/bearer-token.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import type { AuthorityDoor } from './relay-authority.ts';

/** Which agents are listed. */
export interface AgentPage {
  readonly after?: PeerId;
}

/** A server that is to have a TLS certificate. */
export interface ServerRequest {
  readonly dns: readonly string[];
  /** IPv4. */
  readonly ip: readonly string[];
  /** P-256, SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
}

/** What an operator does, with a relay that runs or on its data while it does not. */
export interface AuthorityOperator extends AsyncDisposable {
  readonly settings: AuthoritySettings;
  /** Where the relay listens, while it runs. */
  readonly runningAt: string | null;
  /** 16 bytes. */
  createToken(facts: TokenFacts): Promise<Uint8Array>;
  pending(): Promise<readonly PendingRequest[]>;
  /** At most 1,000, from after `after`. */
  agents(page?: AgentPage): Promise<readonly AgentView[]>;
  /** Null for a key that was never known. */
  agent(peer: PeerId): Promise<AgentView | null>;
  approve(id: string): Promise<void>;
  refuse(id: string, reason: string): Promise<void>;
  revoke(target: RevocationTarget, reason: string): Promise<PeerId>;
  /** DER. */
  crl(): Promise<Uint8Array>;
  /** A TLS certificate for the relay, DER. */
  issueServer(server: ServerRequest): Promise<Uint8Array>;
}

/** The authority answered with a refusal; `code` is its. */
export class OperatorRefusedError extends Condition {
  override readonly name = 'OperatorRefusedError';
  constructor(code: string, text: string) {
    super(code, text);
  }
}

const answerBytesMax = 64 * 1024 * 1024;
const timeoutMs = 30_000;

/**
 * The authority in `directory`: through the relay that serves it, where one runs, else opened here.
 * @throws {AuthorityFolderError}; those of identities and stores.
 */
export async function openAuthorityOperator(
  options: AuthorityFolderOptions,
  deps: NodeDependencies,
): Promise<AuthorityOperator> {
  const { directory } = options;
  const settings = await readAuthoritySettings(directory);
  if (settings === null) throw new AuthorityFolderError('authority-missing', directory);
  const door = readDoor(directory);
  const token = readToken(join(directory, authorityFileNames.operatorToken));
  const shut = door === null || token === null ? null : await knock(door, token);
  if (door !== null && token !== null && shut === null) return new RemoteOperator(settings, door, token);
  const folder = await openAuthorityFolder(options, deps).catch((error: unknown) => {
    // Somebody holds it: then what was heard at the door says more.
    throw shut !== null && errorCode(error) === 'store-in-use' ? shut.error : error;
  });
  const { authority } = folder;
  return {
    settings,
    runningAt: null,
    createToken: (facts) => authority.createToken(facts),
    pending: async () => authority.pending(),
    agents: async (page) => authority.agents(page),
    agent: async (peer) => authority.agent(peer),
    approve: (id) => authority.approve(id),
    refuse: (id, reason) => authority.refuse(id, reason),
    revoke: async (target, reason) => (await authority.revoke(target, reason)).peer,
    crl: async () => (await authority.list()).der,
    issueServer: (server) => authority.issueServer({ ...server, organisation: settings.organisation }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

class RemoteOperator implements AuthorityOperator {
  readonly settings: AuthoritySettings;
  readonly runningAt: string;
  readonly #door: AuthorityDoor;
  readonly #token: string;

  constructor(settings: AuthoritySettings, door: AuthorityDoor, token: string) {
    this.settings = settings;
    this.runningAt = door.url;
    this.#door = door;
    this.#token = token;
  }

  async createToken(facts: TokenFacts): Promise<Uint8Array> {
    const { secret } = (await this.#call('POST', 'tokens', facts)) as { readonly secret: string };
    return new Uint8Array(Buffer.from(secret, 'base64'));
  }

  async pending(): Promise<readonly PendingRequest[]> {
    return ((await this.#call('GET', 'pending')) as { readonly pending: readonly PendingRequest[] }).pending;
  }

  agents({ after }: AgentPage = {}): Promise<readonly AgentView[]> {
    const name = after === undefined ? 'agents' : `agents?after=${after}`;
    return this.#call('GET', name).then((answer) => (answer as { readonly agents: readonly AgentView[] }).agents);
  }

  async agent(peer: PeerId): Promise<AgentView | null> {
    const { agent } = (await this.#call('GET', `agent?peer=${peer}`)) as { readonly agent: AgentView | null };
    return agent;
  }

  async approve(id: string): Promise<void> {
    await this.#call('POST', 'approve', { id });
  }

  async refuse(id: string, reason: string): Promise<void> {
    await this.#call('POST', 'refuse', { id, reason });
  }

  async revoke(target: RevocationTarget, reason: string): Promise<PeerId> {
    return ((await this.#call('POST', 'revoke', { ...target, reason })) as { readonly peer: PeerId }).peer;
  }

  async crl(): Promise<Uint8Array> {
    const { crl } = (await this.#call('GET', 'crl')) as { readonly crl: string };
    return new Uint8Array(Buffer.from(crl, 'base64'));
  }

  async issueServer({ dns, ip, publicKey }: ServerRequest): Promise<Uint8Array> {
    const { organisation } = this.settings;
    const body = { dns, ip, organisation, publicKey: Buffer.from(publicKey).toString('base64') };
    const { certificate } = (await this.#call('POST', 'servers', body)) as { readonly certificate: string };
    return new Uint8Array(Buffer.from(certificate, 'base64'));
  }

  // What answers holds the certificate of the door file, which only the relay's own user can write: it is taken at its word.
  #call(method: string, name: string, body?: object): Promise<unknown> {
    return call(this.#door, this.#token, { method, name, ...(body === undefined ? {} : { body }) });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function readDoor(directory: string): AuthorityDoor | null {
  try {
    const { url, certificateSha256 } = JSON.parse(readFileSync(join(directory, authorityFileNames.door), 'utf8'));
    if (typeof url !== 'string' || !URL.canParse(url)) return null;
    return { url, certificateSha256: typeof certificateSha256 === 'string' ? certificateSha256 : null };
  } catch {
    return null; // none, or half of one: the relay does not run
  }
}

/** Null where the relay answers; else why not: it may have been killed, and something else have its port. */
async function knock(door: AuthorityDoor, token: string): Promise<{ readonly error: unknown } | null> {
  try {
    await call(door, token, { method: 'GET', name: 'pending' });
    return null;
  } catch (error) {
    return { error };
  }
}

interface Call {
  readonly method: string;
  readonly name: string;
  readonly body?: object;
}

async function call(door: AuthorityDoor, token: string, { method, name, body }: Call): Promise<unknown> {
  const url = new URL(door.url);
  const host = ['0.0.0.0', '[::]'].includes(url.hostname) ? '127.0.0.1' : url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const socket = door.certificateSha256 === null ? null : await connectPinned(host, port, door.certificateSha256);
  const text = body === undefined ? '' : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest(
      {
        host,
        port,
        method,
        path: `${authorityHttpPrefix}/${name}`,
        timeout: timeoutMs,
        headers: { authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(text), host: url.host },
        ...(socket === null ? {} : { createConnection: () => socket }),
      },
      resolve,
    );
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Condition('timeout', 'the relay does not answer')));
    request.end(text);
  });
  const answer = parseAnswer(await readAll(response));
  if (response.statusCode === 200) return answer;
  const { code, text: said } = answer as { readonly code?: unknown; readonly text?: unknown };
  throw new OperatorRefusedError(String(code), String(said));
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Condition('answer-malformed', 'something else than the relay answers on its port', { cause: error });
  }
}

/** A TLS connection to whoever shows exactly this certificate; its name and issuer do not matter then. */
function connectPinned(host: string, port: number, sha256: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const shown = socket.getPeerCertificate().fingerprint256?.replaceAll(':', '').toLowerCase();
      if (shown === sha256) return resolve(socket);
      socket.destroy();
      reject(new Condition('door-certificate', 'another certificate is shown on the port of the relay'));
    });
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > answerBytesMax) throw new Condition('answer-too-long', 'the relay answered too much');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
