import { errorCode } from '@pulsemesh/base';
import { equalSecrets, sha256 } from '@pulsemesh/crypto';
import { DecodeError, fromHex, type PeerId, parsePeerId } from '@pulsemesh/wire';
import { isPlainText } from '../fields.ts';
import type { Authority } from './authority.ts';
import type { RevocationTarget } from './books.ts';
import { isDnsName, isIpv4, isOrganisation } from './certificate-names.ts';
import { AuthorityRefusedError } from './errors.ts';
import { authorityLimits, isAuthorityRole } from './limits.ts';
import {
  decodeEnrolAnswer,
  decodeListAnswer,
  decodeRootsAnswer,
  encodeBytesMessage,
  encodeEmptyMessage,
  encodeEnrolMessage,
} from './messages.ts';
import type { AuthorityService } from './service.ts';

/** Where the authority's HTTP stands on a server's port. */
export const authorityHttpPrefix = '/authority/v1';

export interface AuthorityHttpOptions {
  readonly service: AuthorityService;
  readonly authority: Authority;
  /** What an operator shows as `Authorization: Bearer …`. Null: no operator actions here. */
  readonly operatorToken: string | null;
}

/** Answers a web-standard request; `source` is the client's address, for limits. */
export type AuthorityHttp = (request: Request, source: string) => Promise<Response>;

type JsonMap = Readonly<Record<string, unknown>>;

/**
 * The authority as HTTP below {@link authorityHttpPrefix}: JSON, bytes in base64, no cookies.
 * `GET roots`, `crl` (both also as files: `roots.pem`-free DER at `crl.der`), `POST enrol`, `renew`, `status`; for operators
 * `GET pending`, `agent`, `agents` (a page, from after `?after=`), `POST tokens`, `servers`, `approve`, `refuse`, `revoke`. Never throws for what a client sends.
 */
export function createAuthorityHttp(options: AuthorityHttpOptions): AuthorityHttp {
  return async (request, source) => {
    try {
      const { pathname, searchParams } = new URL(request.url);
      const name = pathname.startsWith(`${authorityHttpPrefix}/`) ? pathname.slice(authorityHttpPrefix.length + 1) : '';
      const agentRoute = agentRoutes[`${request.method} ${name}`];
      if (agentRoute !== undefined) return await agentRoute(options, await bodyOf(request), source);
      const operatorRoute = operatorRoutes[`${request.method} ${name}`];
      if (operatorRoute === undefined) return refusal(404, 'not-found', 'there is nothing here');
      assertOperator(request, options.operatorToken);
      const body = request.method === 'GET' ? Object.fromEntries(searchParams) : await bodyOf(request);
      return Response.json(await operatorRoute(options.authority, body));
    } catch (error) {
      return refusalOf(error);
    }
  };
}

type AgentRoute = (options: AuthorityHttpOptions, body: JsonMap, source: string) => Promise<Response>;

const agentRoutes: Readonly<Record<string, AgentRoute>> = Object.assign(Object.create(null), {
  'GET roots': async ({ service }, _body, source) => {
    const roots = decodeRootsAnswer(await service.handle('authority.roots', encodeEmptyMessage(), source));
    return Response.json({ roots: roots.map(toBase64) });
  },
  'GET crl': async ({ service }, _body, source) => {
    const { crl, number } = decodeListAnswer(await service.handle('authority.crl', encodeEmptyMessage(), source));
    return Response.json({ crl: toBase64(crl), number });
  },
  'GET crl.der': async ({ service }, _body, source) => {
    const { crl } = decodeListAnswer(await service.handle('authority.crl', encodeEmptyMessage(), source));
    return new Response(new Uint8Array(crl), { headers: { 'content-type': 'application/pkix-crl' } });
  },
  'POST enrol': async ({ service }, body, source) => {
    const { statement, secret } = body;
    const message = encodeEnrolMessage({
      statement: fromBase64(statement),
      secret: secret === undefined || secret === null ? null : fromBase64(secret),
    });
    return enrolAnswer(await service.handle('authority.enrol', message, source));
  },
  'POST renew': async ({ service }, body, source) => {
    const message = encodeBytesMessage('statement', fromBase64(body['statement']));
    return enrolAnswer(await service.handle('authority.renew', message, source));
  },
  'POST status': async ({ service }, body, source) => {
    const message = encodeBytesMessage('id', fromHex(textOf(body['id'])));
    return enrolAnswer(await service.handle('authority.status', message, source));
  },
} satisfies Record<string, AgentRoute>);

type OperatorRoute = (authority: Authority, body: JsonMap) => Promise<unknown>;

const operatorRoutes: Readonly<Record<string, OperatorRoute>> = Object.assign(Object.create(null), {
  'GET pending': async (authority) => ({ pending: authority.pending() }),
  'GET agents': async (authority, { after }) => ({
    agents: authority.agents(after === undefined ? {} : { after: parsePeerId(textOf(after)) }),
  }),
  'GET agent': async (authority, { peer }) => ({ agent: authority.agent(parsePeerId(textOf(peer))) }),
  'POST tokens': async (authority, { organisation, role, uses, forMs }) => {
    if (!isOrganisation(organisation) || !isAuthorityRole(role)) throw new AuthorityRefusedError('malformed');
    const more = {
      ...(uses === undefined ? {} : { uses: Number(uses) }),
      ...(forMs === undefined ? {} : { forMs: Number(forMs) }),
    };
    return { secret: toBase64(await authority.createToken({ organisation, role, ...more })) };
  },
  'POST servers': async (authority, { dns, ip, organisation, publicKey }) => {
    const isFit = isOrganisation(organisation) && namesOf(dns).every(isDnsName) && namesOf(ip).every(isIpv4);
    if (!isFit || namesOf(dns).length + namesOf(ip).length === 0) throw new AuthorityRefusedError('malformed');
    const facts = { dns: namesOf(dns), ip: namesOf(ip), organisation, publicKey: fromBase64(publicKey) };
    return { certificate: toBase64(await authority.issueServer(facts)) };
  },
  'POST approve': async (authority, { id }) => {
    await authority.approve(textOf(id));
    return {};
  },
  'POST refuse': async (authority, { id, reason }) => {
    await authority.refuse(textOf(id), reasonOf(reason));
    return {};
  },
  'POST revoke': async (authority, body) => {
    const { peer } = await authority.revoke(targetOf(body), reasonOf(body['reason']));
    return { peer };
  },
} satisfies Record<string, OperatorRoute>);

function targetOf({ peer, serial }: JsonMap): RevocationTarget {
  if (typeof serial === 'string' && peer === undefined && /^[0-9a-f]{2,40}$/.test(serial)) return { serial };
  return { peer: parsePeerId(textOf(peer)) as PeerId };
}

function namesOf(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > namesMax) throw new AuthorityRefusedError('malformed');
  return value.map(textOf);
}

function reasonOf(value: unknown): string {
  if (typeof value !== 'string' || !isPlainText(value, authorityLimits.reasonCharactersMax))
    throw new AuthorityRefusedError('malformed');
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string' || value.length > 256) throw new AuthorityRefusedError('malformed');
  return value;
}

function enrolAnswer(bytes: Uint8Array): Response {
  const { state, id, certificates, root, reason } = decodeEnrolAnswer(bytes);
  return Response.json({
    state,
    id: Buffer.from(id).toString('hex'),
    certificates: certificates.map(toBase64),
    root: toBase64(root),
    reason,
  });
}

/** Names of one server. */
const namesMax = 16;

/** Twice the longest message, for base64 and names. */
const bodyBytesMax = 2 * authorityLimits.messageBytesMax;

async function bodyOf(request: Request): Promise<JsonMap> {
  if (request.method === 'GET') return {};
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > bodyBytesMax) throw new AuthorityRefusedError('malformed');
  const bytes = await readAll(request);
  return AuthorityRefusedError.reading(() => {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object');
    return { ...value } as JsonMap; // a JSON object has text keys
  });
}

async function readAll(request: Request): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    length += value.length;
    if (length > bodyBytesMax) {
      await reader.cancel();
      throw new AuthorityRefusedError('malformed');
    }
    chunks.push(value);
  }
}

function assertOperator(request: Request, token: string | null): void {
  const given = /^Bearer ([A-Za-z0-9_-]{1,256})$/.exec(request.headers.get('authorization') ?? '')?.[1];
  const hash = (text: string) => sha256(new TextEncoder().encode(text));
  // Both are hashed, so that the time taken tells nothing, not even the length.
  if (token === null || given === undefined || !equalSecrets(hash(given), hash(token)))
    throw new AuthorityRefusedError('not-an-operator');
}

const statusOf: Readonly<Record<string, number>> = {
  'not-an-operator': 401,
  'method-unknown': 404,
  'request-unknown': 404,
  'agent-unknown': 404,
  'certificate-unknown': 404,
  'too-many-requests': 429,
  'too-many-guesses': 429,
  'authority-busy': 503,
  'authority-full': 503,
  'token-unknown': 403,
  'agent-revoked': 403,
};

function refusalOf(error: unknown): Response {
  if (error instanceof AuthorityRefusedError) return refusal(statusOf[error.code] ?? 400, error.code, error.message);
  if (error instanceof DecodeError) return refusal(400, 'malformed', 'the request cannot be read');
  // What the store says is ours to mend; a client that comes again finds nothing changed.
  return refusal(503, errorCode(error), 'the authority cannot do this now');
}

function refusal(status: number, code: string, text: string): Response {
  return Response.json({ code, text }, { status });
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function fromBase64(value: unknown): Uint8Array {
  if (typeof value !== 'string' || value.length > bodyBytesMax) throw new AuthorityRefusedError('malformed');
  const bytes = new Uint8Array(Buffer.from(value, 'base64'));
  if (toBase64(bytes) !== value) throw new AuthorityRefusedError('malformed');
  return bytes;
}
