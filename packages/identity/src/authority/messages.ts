import { sha256 } from '@pulsemesh/crypto';
import { encodeCbor, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { bytesOf, integerOf, listOf, mapOf, optional, secondsOf, textOf, timeOf } from '../fields.ts';
import { isSignedBy, type Signatory, signFields, splitSigned } from '../signed.ts';
import { isOrganisation } from './certificate-names.ts';
import { AuthorityRefusedError } from './errors.ts';
import { type AuthorityRole, authorityLimits, isAuthorityRole } from './limits.ts';
import { enrolmentTokenLimits } from './token.ts';

const enrolKind = 'pulsemesh/enrol-request/1';
const renewKind = 'pulsemesh/renew-request/1';
const statementBytesMax = 2_048;
const limits = { bytesMax: authorityLimits.messageBytesMax, depthMax: 3 };

/** A request that its key signed: proof that whoever made it holds the key. */
export interface SignedRequest {
  readonly peer: PeerId;
  /** SHA-256 of the root it is meant for. */
  readonly authority: Uint8Array;
  readonly createdMs: number;
  /** SHA-256 of the whole statement: what it is known by. */
  readonly id: Uint8Array;
}

export interface EnrolRequest extends SignedRequest {
  /** Null: what the token says. */
  readonly organisation: string | null;
  readonly role: AuthorityRole | null;
}

export interface RequestFacts {
  readonly authority: Uint8Array;
  readonly nonce: Uint8Array;
  readonly createdMs: number;
}

/** A signed request for a first certificate. */
export function signEnrolRequest(
  identity: Signatory,
  facts: RequestFacts & { readonly organisation: string | null; readonly role: AuthorityRole | null },
): Uint8Array {
  const { authority, nonce, createdMs, organisation, role } = facts;
  const fields = { v: 1, key: identity.publicKey, authority, nonce, created: secondsOf(createdMs), organisation, role };
  return signFields(enrolKind, fields, [identity]);
}

/** A signed request for the next certificate. */
export function signRenewRequest(identity: Signatory, { authority, nonce, createdMs }: RequestFacts): Uint8Array {
  const fields = { v: 1, key: identity.publicKey, authority, nonce, created: secondsOf(createdMs) };
  return signFields(renewKind, fields, [identity]);
}

/** @throws {AuthorityRefusedError} `malformed`, `bad-signature`. */
export function parseEnrolRequest(statement: Uint8Array): EnrolRequest {
  const { request, map } = readRequest(enrolKind, statement, ['organisation', 'role']);
  return AuthorityRefusedError.reading(() => ({
    ...request,
    organisation: optional(map['organisation'], organisationOf),
    role: optional(map['role'], roleOf),
  }));
}

/** @throws {AuthorityRefusedError} `malformed`, `bad-signature`. */
export function parseRenewRequest(statement: Uint8Array): SignedRequest {
  return readRequest(renewKind, statement, []).request;
}

function readRequest(kind: string, statement: Uint8Array, more: readonly string[]) {
  const read = AuthorityRefusedError.reading(() => {
    const signed = splitSigned(statement, { bytesMax: statementBytesMax, count: 1 });
    const keys = ['v', 'key', 'authority', 'nonce', 'created', ...more];
    const map = mapOf(signed.body, keys, { bytesMax: statementBytesMax, depthMax: 1 });
    integerOf(map['v'], 1, 1);
    bytesOf(map['nonce'], 16);
    const key = bytesOf(map['key'], 32);
    const request: SignedRequest = {
      peer: peerIdOfEd25519(key),
      authority: bytesOf(map['authority'], 32),
      createdMs: timeOf(map['created']),
      id: sha256(statement),
    };
    return { signed, key, request, map };
  });
  if (!isSignedBy(kind, read.signed, 0, read.key)) throw new AuthorityRefusedError('bad-signature');
  return read;
}

function organisationOf(value: unknown): string {
  if (!isOrganisation(value)) throw new TypeError('organisation');
  return value;
}

function roleOf(value: unknown): AuthorityRole {
  if (!isAuthorityRole(value)) throw new TypeError('role');
  return value;
}

// What travels: deterministic CBOR maps with exactly these keys.

/** `authority.enrol`. */
export interface EnrolMessage {
  readonly statement: Uint8Array;
  /** A token's secret; null: an operator decides. */
  readonly secret: Uint8Array | null;
}

export function encodeEnrolMessage({ statement, secret }: EnrolMessage): Uint8Array {
  return encodeCbor({ v: 1, statement, secret });
}

/** @throws {AuthorityRefusedError} `malformed`. */
export function decodeEnrolMessage(bytes: Uint8Array): EnrolMessage {
  return AuthorityRefusedError.reading(() => {
    const map = mapOf(bytes, ['v', 'statement', 'secret'], limits);
    integerOf(map['v'], 1, 1);
    return {
      statement: someBytes(map['statement'], statementBytesMax),
      secret: optional(map['secret'], (value) => bytesOf(value, enrolmentTokenLimits.secretBytes)),
    };
  });
}

/** `authority.renew` (a statement) and `authority.status` (a request's id). */
export function encodeBytesMessage(key: 'statement' | 'id', value: Uint8Array): Uint8Array {
  return encodeCbor({ v: 1, [key]: value });
}

/** @throws {AuthorityRefusedError} `malformed`. */
export function decodeBytesMessage(bytes: Uint8Array, key: 'statement' | 'id'): Uint8Array {
  return AuthorityRefusedError.reading(() => {
    const map = mapOf(bytes, ['v', key], limits);
    integerOf(map['v'], 1, 1);
    return key === 'id' ? bytesOf(map[key], 32) : someBytes(map[key], statementBytesMax);
  });
}

/** `authority.crl` and `authority.roots` ask nothing. */
export function encodeEmptyMessage(): Uint8Array {
  return encodeCbor({ v: 1 });
}

/** @throws {AuthorityRefusedError} `malformed`. */
export function assertEmptyMessage(bytes: Uint8Array): void {
  AuthorityRefusedError.reading(() => integerOf(mapOf(bytes, ['v'], limits)['v'], 1, 1));
}

/** What became of a request. */
export type EnrolState = 'issued' | 'pending' | 'refused';

/** The answer to `authority.enrol`, `.renew` and `.status`. */
export interface EnrolAnswer {
  readonly state: EnrolState;
  readonly id: Uint8Array;
  /** DER, own first, without the root; empty unless issued. */
  readonly certificates: readonly Uint8Array[];
  /** The root, DER. */
  readonly root: Uint8Array;
  /** What the operator said; null unless refused. */
  readonly reason: string | null;
}

export function encodeEnrolAnswer({ state, id, certificates, root, reason }: EnrolAnswer): Uint8Array {
  return encodeCbor({ v: 1, state, id, certificates, root, reason });
}

/** @throws {AuthorityRefusedError} `malformed`. */
export function decodeEnrolAnswer(bytes: Uint8Array): EnrolAnswer {
  const answerLimits = { bytesMax: 5 * authorityLimits.certificateBytesMax, depthMax: 3 };
  return AuthorityRefusedError.reading(() => {
    const map = mapOf(bytes, ['v', 'state', 'id', 'certificates', 'root', 'reason'], answerLimits);
    integerOf(map['v'], 1, 1);
    const { state } = map;
    if (state !== 'issued' && state !== 'pending' && state !== 'refused') throw new TypeError('state');
    return {
      state,
      id: bytesOf(map['id'], 32),
      certificates: listOf(map['certificates'], state === 'issued' ? 1 : 0, authorityLimits.chainMax).map(derOf),
      root: derOf(map['root']),
      reason: optional(map['reason'], (value) => textOf(value, authorityLimits.reasonCharactersMax)),
    };
  });
}

export function encodeRootsAnswer(roots: readonly Uint8Array[]): Uint8Array {
  return encodeCbor({ v: 1, roots });
}

/** @throws {AuthorityRefusedError} `malformed`. */
export function decodeRootsAnswer(bytes: Uint8Array): readonly Uint8Array[] {
  return AuthorityRefusedError.reading(() => {
    const map = mapOf(bytes, ['v', 'roots'], { bytesMax: 9 * authorityLimits.certificateBytesMax, depthMax: 2 });
    integerOf(map['v'], 1, 1);
    return listOf(map['roots'], 1, 8).map(derOf);
  });
}

export function encodeListAnswer(crl: Uint8Array, number: number): Uint8Array {
  return encodeCbor({ v: 1, crl, number });
}

/** @throws {AuthorityRefusedError} `malformed`. */
export function decodeListAnswer(bytes: Uint8Array): { readonly crl: Uint8Array; readonly number: number } {
  return AuthorityRefusedError.reading(() => {
    const map = mapOf(bytes, ['v', 'crl', 'number'], { bytesMax: authorityLimits.answerBytesMax, depthMax: 1 });
    integerOf(map['v'], 1, 1);
    return { crl: someBytes(map['crl'], authorityLimits.crlBytesMax), number: integerOf(map['number'], 1) };
  });
}

function derOf(value: unknown): Uint8Array {
  return someBytes(value, authorityLimits.certificateBytesMax);
}

/** 1 to `lengthMax` bytes. */
function someBytes(value: unknown, lengthMax: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length < 1 || value.length > lengthMax) throw new TypeError('bytes');
  return value;
}
