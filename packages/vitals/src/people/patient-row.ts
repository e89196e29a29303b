import type { Box } from '@pulsemesh/crypto';
import { concatBytes, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { parseUserId } from '../readings/message.ts';
import type { PatientFacts } from './known-patient.ts';
import type { Contacts, Language, PatientInput, Person } from './patient.ts';
import { parsePatientInput, parsePerson } from './patient.ts';
import { noContacts } from './people-client.ts';

/** A patient as the directory's table holds it. */
export interface PatientRow {
  readonly facts: PatientFacts;
  /** Null for an unregistered one. */
  readonly input: PatientInput | null;
  /** The directory's version when this was last changed. */
  readonly version: number;
}

const rowVersion = 1;
const rowLimits = { bytesMax: 8 * 1024, depthMax: 6 };

/** Seals `value` for one row of one table: a row moved to another key or table does not open. */
export function sealRow(box: Box, table: string, key: Uint8Array, value: unknown): Uint8Array {
  return box.seal(encodeCbor(value), rowName(table, key));
}

/** @throws {SealBrokenError} where the row was altered or lies elsewhere than it was put; {@link DecodeError}. */
export function openRow(box: Box, table: string, key: Uint8Array, sealed: Uint8Array): unknown {
  return decodeCbor(box.open(sealed, rowName(table, key)), rowLimits);
}

function rowName(table: string, key: Uint8Array): Uint8Array {
  return concatBytes(new TextEncoder().encode(`${table}\n`), key);
}

export function rowToCbor(row: PatientRow): unknown {
  const { input } = row;
  const registered =
    input === null
      ? null
      : {
          name: input.name,
          email: input.email,
          language: input.language,
          doctor: input.doctor === null ? null : { ...input.doctor },
          tells: { ...input.tells },
        };
  return [rowVersion, factsToCbor(row.facts), registered, row.version];
}

/** @throws {TypeError} or {@link PatientInvalidError} when it is not that. */
export function rowFromCbor(value: unknown): PatientRow {
  if (!Array.isArray(value) || value.length !== 4 || value[0] !== rowVersion) throw new TypeError('patient row');
  const facts = factsFromCbor(value[1]);
  const version: unknown = value[3];
  if (typeof version !== 'number' || !Number.isSafeInteger(version)) throw new TypeError('patient row version');
  if (value[2] === null) return { facts, input: null, version };
  const input = parsePatientInput({ ...value[2], userId: facts.userId, device: { kind: facts.deviceKind } });
  return { facts, input, version };
}

export function factsToCbor(facts: PatientFacts): unknown {
  return [facts.userId, facts.seed, facts.isRegistered, facts.deviceKind];
}

/** @throws {TypeError} when it is not that. */
export function factsFromCbor(value: unknown): PatientFacts {
  if (!Array.isArray(value) || value.length !== 4) throw new TypeError('patient facts');
  const [userId, seed, isRegistered, deviceKind] = value as readonly unknown[];
  if (!(seed instanceof Uint8Array) || seed.length !== 32) throw new TypeError('patient seed');
  if (typeof isRegistered !== 'boolean') throw new TypeError('patient isRegistered');
  if (deviceKind !== 'live' && deviceKind !== 'replay') throw new TypeError('patient deviceKind');
  return { userId: parseUserId(userId), seed, isRegistered, deviceKind };
}

export function contactsOf(input: PatientInput | null): Contacts {
  if (input === null) return noContacts;
  const { name, email, language, doctor, tells } = input;
  return { patient: { name, email, language }, doctor, tells };
}

export function contactsToCbor(contacts: Contacts): unknown {
  return [personToCbor(contacts.patient), personToCbor(contacts.doctor), contacts.tells.patient, contacts.tells.doctor];
}

/** @throws {TypeError} or {@link PatientInvalidError} when it is not that. */
export function contactsFromCbor(value: unknown): Contacts {
  if (!Array.isArray(value) || value.length !== 4) throw new TypeError('contacts');
  const [patient, doctor, tellsPatient, tellsDoctor] = value as readonly unknown[];
  return {
    patient: personFromCbor(patient),
    doctor: personFromCbor(doctor),
    tells: { patient: tellsPatient === true, doctor: tellsDoctor === true },
  };
}

function personToCbor(person: Person | null): readonly [string, string, Language] | null {
  return person === null ? null : [person.name, person.email, person.language];
}

function personFromCbor(value: unknown): Person | null {
  if (value === null) return null;
  if (!Array.isArray(value)) throw new TypeError('person');
  const [name, email, language] = value as readonly unknown[];
  return parsePerson({ name, email, language }, '');
}
