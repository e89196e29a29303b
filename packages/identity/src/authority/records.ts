import { decodeCbor, encodeCbor, type PeerId, parsePeerId, toHex } from '@pulsemesh/wire';
import { bytesOf, exactMap, integerOf, listOf, optional, textOf } from '../fields.ts';
import { isOrganisation } from './certificate-names.ts';
import { type AuthorityRole, authorityLimits, isAuthorityRole } from './limits.ts';
import type { EnrolState } from './messages.ts';

/** The authority's tables. */
export const authorityTables = {
  tokens: 'authority-tokens',
  requests: 'authority-requests',
  agents: 'authority-agents',
  revoked: 'authority-revoked',
  meta: 'authority-meta',
} as const;

export interface TokenRecord {
  readonly organisation: string;
  readonly role: AuthorityRole;
  readonly usesLeft: number;
  readonly expiresMs: number;
}

export interface RequestRecord {
  readonly peer: PeerId;
  readonly organisation: string;
  readonly role: AuthorityRole;
  readonly state: EnrolState;
  readonly createdMs: number;
  readonly reason: string | null;
}

export interface HeldCertificate {
  readonly serial: string;
  readonly notAfterMs: number;
}

export interface AgentRecord {
  readonly organisation: string;
  readonly role: AuthorityRole;
  readonly enrolledMs: number;
  /** Null: in good standing. */
  readonly revoked: { readonly atMs: number; readonly reason: string } | null;
  /** Those that may still hold, oldest first. */
  readonly held: readonly HeldCertificate[];
  /** The latest, DER. Null: revoked before it ever enrolled. */
  readonly latest: Uint8Array | null;
  /** The request that the latest answers. */
  readonly latestRequest: Uint8Array;
}

export interface RevokedRecord {
  readonly peer: PeerId;
  readonly reason: string;
  readonly atMs: number;
  readonly notAfterMs: number;
}

export interface ListRecord {
  readonly number: number;
  readonly nextUpdateMs: number;
  readonly der: Uint8Array;
}

/** What is written was written by this program; its shape is checked all the same. */
export const tokenRecord = codec<TokenRecord>(['organisation', 'role', 'usesLeft', 'expiresMs'], (map) => ({
  ...membership(map),
  usesLeft: integerOf(map['usesLeft'], 0, authorityLimits.tokenUsesMax),
  expiresMs: integerOf(map['expiresMs']),
}));

const requestKeys = ['peer', 'organisation', 'role', 'state', 'createdMs', 'reason'];

export const requestRecord = codec<RequestRecord>(requestKeys, (map) => {
  const { state } = map;
  if (state !== 'issued' && state !== 'pending' && state !== 'refused') throw new TypeError('state');
  return {
    peer: peerOf(map['peer']),
    ...membership(map),
    state,
    createdMs: integerOf(map['createdMs']),
    reason: optional(map['reason'], reasonOf),
  };
});

const agentKeys = ['organisation', 'role', 'enrolledMs', 'revoked', 'held', 'latest', 'latestRequest'];

export const agentRecord = codec<AgentRecord>(agentKeys, (map) => ({
  ...membership(map),
  enrolledMs: integerOf(map['enrolledMs']),
  revoked: optional(map['revoked'], (value) => {
    const { atMs, reason } = exactMap(value, ['atMs', 'reason']);
    return { atMs: integerOf(atMs), reason: reasonOf(reason) };
  }),
  held: listOf(map['held'], 0, authorityLimits.certificatesPerAgentMax).map((value) => {
    const { serial, notAfterMs } = exactMap(value, ['serial', 'notAfterMs']);
    return { serial: textOf(serial, 40), notAfterMs: integerOf(notAfterMs) };
  }),
  latest: optional(map['latest'], blobOf),
  latestRequest: bytesOf(map['latestRequest'], 32),
}));

export const revokedRecord = codec<RevokedRecord>(['peer', 'reason', 'atMs', 'notAfterMs'], (map) => ({
  peer: peerOf(map['peer']),
  reason: reasonOf(map['reason']),
  atMs: integerOf(map['atMs']),
  notAfterMs: integerOf(map['notAfterMs']),
}));

export const listRecord = codec<ListRecord>(['number', 'nextUpdateMs', 'der'], (map) => ({
  number: integerOf(map['number'], 1),
  nextUpdateMs: integerOf(map['nextUpdateMs']),
  der: blobOf(map['der']),
}));

/** Rows of one table: bytes to a record and back. */
export interface RecordCodec<T> {
  encode(record: T): Uint8Array;
  /** @throws TypeError · {DecodeError} for another shape. */
  decode(bytes: Uint8Array): T;
}

function codec<T>(keys: readonly string[], read: (map: Record<string, unknown>) => T): RecordCodec<T> {
  return {
    encode: (record) => encodeCbor(record),
    decode: (bytes) => read(exactMap(decodeCbor(bytes), keys)),
  };
}

/** The key of an agent's row. */
export function peerKey(peer: PeerId): Uint8Array {
  return new TextEncoder().encode(peer);
}

/** The key of a certificate's row. */
export function serialKey(serial: string): Uint8Array {
  return new TextEncoder().encode(serial);
}

/** A request's id as people see and type it. */
export function requestLabel(id: Uint8Array): string {
  return toHex(id).slice(0, 16);
}

function membership(map: Record<string, unknown>): {
  readonly organisation: string;
  readonly role: AuthorityRole;
} {
  const { organisation, role } = map;
  if (!isOrganisation(organisation) || !isAuthorityRole(role)) throw new TypeError('membership');
  return { organisation, role };
}

function reasonOf(value: unknown): string {
  return textOf(value, authorityLimits.reasonCharactersMax);
}

function peerOf(value: unknown): PeerId {
  if (typeof value !== 'string') throw new TypeError('peer');
  return parsePeerId(value);
}

function blobOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError('bytes');
  return value;
}
