import { Condition } from '@pulsemesh/base';
import { messageLimits, parseUserId } from '../readings/message.ts';
import type { UserId } from '../readings/reading.ts';
import type { DeviceKind } from '../readings/skew.ts';

/** The languages mails are written in (BCP 47). */
export const languages = ['en', 'de', 'fr'] as const;
export type Language = (typeof languages)[number];

/** Somebody who can be told something. */
export interface Person {
  /** 1 … 200 characters. */
  readonly name: string;
  /** One plain address, at most 254 characters. */
  readonly email: string;
  readonly language: Language;
}

/** What a person at the page or the command line says about a patient. */
export interface PatientInput {
  /** What the wearable calls its wearer. */
  readonly userId: UserId;
  readonly name: string;
  readonly email: string;
  readonly language: Language;
  readonly doctor: Person | null;
  /** Who is told of an alert. */
  readonly tells: { readonly patient: boolean; readonly doctor: boolean };
  readonly device: { readonly kind: DeviceKind };
}

/** Who is to be told about a patient; null where nobody is. */
export interface Contacts {
  readonly patient: Person | null;
  readonly doctor: Person | null;
  readonly tells: { readonly patient: boolean; readonly doctor: boolean };
}

export const personLimits = { nameCharactersMax: 200, emailCharactersMax: 254 } as const;

/** A field of a patient that cannot be taken. Says which, never what it held. */
export class PatientInvalidError extends Condition {
  override readonly name = 'PatientInvalidError';
  constructor(field: string, expectation: string) {
    super('patient-invalid', `${field} ${expectation}`, { facts: { field } });
  }
}

// Line breaks and other controls in a name or an address could write headers of their own into a mail;
// format characters (\p{Cf}) could disguise one. The two joiners belong to ordinary names in several scripts.
const unprintable = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;
// The plain form people have (RFC 5321 without quoting, comments and literals).
const emailPattern =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/**
 * Checks what somebody entered.
 * @throws {PatientInvalidError}.
 */
export function parsePatientInput(value: unknown): PatientInput {
  const input = asObject(value, 'patient');
  const doctor = input['doctor'];
  const tells = asObject(input['tells'], 'tells');
  const device = asObject(input['device'], 'device');
  const kind = device['kind'];
  if (kind !== 'live' && kind !== 'replay') throw new PatientInvalidError('device.kind', 'must be live or replay');
  return {
    userId: parseWearer(input['userId']),
    ...parsePerson(input, ''),
    doctor: doctor === null || doctor === undefined ? null : parsePerson(asObject(doctor, 'doctor'), 'doctor.'),
    tells: {
      patient: parseBoolean(tells['patient'], 'tells.patient'),
      doctor: parseBoolean(tells['doctor'], 'tells.doctor'),
    },
    device: { kind },
  };
}

/** @throws {PatientInvalidError}. */
export function parsePerson(value: Readonly<Record<string, unknown>>, prefix: string): Person {
  return {
    name: parseName(value['name'], `${prefix}name`),
    email: parseEmail(value['email'], `${prefix}email`),
    language: parseLanguage(value['language'], `${prefix}language`),
  };
}

function parseName(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new PatientInvalidError(field, 'must be a text');
  const name = value.trim();
  if (name.length < 1 || name.length > personLimits.nameCharactersMax) {
    throw new PatientInvalidError(field, `must have 1 to ${personLimits.nameCharactersMax} characters`);
  }
  if (unprintable.test(name)) throw new PatientInvalidError(field, 'must not hold control characters');
  return name;
}

function parseEmail(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new PatientInvalidError(field, 'must be a text');
  const email = value.trim();
  if (email.length > personLimits.emailCharactersMax || !emailPattern.test(email)) {
    throw new PatientInvalidError(field, 'must be one e-mail address');
  }
  return email;
}

function parseLanguage(value: unknown, field: string): Language {
  const language = languages.find((known) => known === value);
  if (language === undefined) throw new PatientInvalidError(field, `must be one of ${languages.join(', ')}`);
  return language;
}

function parseWearer(value: unknown): UserId {
  try {
    return parseUserId(value);
  } catch {
    throw new PatientInvalidError('userId', `must have 1 to ${messageLimits.userIdCharactersMax} visible characters`);
  }
}

function parseBoolean(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw new PatientInvalidError(field, 'must be true or false');
  return value;
}

function asObject(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PatientInvalidError(field, 'must be an object');
  }
  return value as Readonly<Record<string, unknown>>; // any non-null object may be read by string keys
}
