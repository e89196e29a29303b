import { BadRequestError, type ProtocolName, type SubjectId } from '@pulsemesh/network';
import { fromHex } from '@pulsemesh/wire';
import { parseUserId } from '../readings/message.ts';
import type { UserId } from '../readings/reading.ts';

/** The protocol on which the directory is asked; see `servePeople`. */
export const peopleProtocol: ProtocolName = '/pulsemesh/people/1';

/** Announcements that the directory changed: CBOR `[epoch, version]`, nothing about whom. */
export const peopleTopic = 'pulsemesh/people/1';

export const peopleWireLimits = {
  /** User ids or subject ids in one question. */
  askedMax: 4_096,
  /** Changed subjects in one answer. */
  changesMax: 4_096,
} as const;

/** @throws {BadRequestError}. */
export function parseUserIds(body: unknown): readonly UserId[] {
  return parseList(body, 'userIds').map((value) => {
    try {
      return parseUserId(value);
    } catch {
      throw new BadRequestError('a user id is malformed');
    }
  });
}

/** @throws {BadRequestError}. */
export function parseSubjectIds(body: unknown): readonly SubjectId[] {
  return parseList(body, 'subjects').map(parseSubjectId);
}

/** @throws {BadRequestError}. */
export function parseSubjectId(value: unknown): SubjectId {
  try {
    if (typeof value !== 'string') throw new TypeError('not a text');
    fromHex(value, 16);
  } catch {
    throw new BadRequestError('a subject id is 32 hex characters');
  }
  return value as SubjectId; // checked just now
}

/** A field of a question or an answer. */
export function fieldOf(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
}

/** @throws {BadRequestError} when it is not a whole number. */
export function parseVersion(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new BadRequestError('a version is a number');
  return value;
}

function parseList(body: unknown, name: string): readonly unknown[] {
  const list = fieldOf(body, name);
  if (!Array.isArray(list) || list.length > peopleWireLimits.askedMax) {
    throw new BadRequestError(`${name} is a list of at most ${peopleWireLimits.askedMax}`);
  }
  return list;
}
