import { Condition, type Random } from '@pulsemesh/base';
import { type Box, createKeyTree, generateSeed } from '@pulsemesh/crypto';
import type { SubjectId } from '@pulsemesh/network';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import type { UserId } from '../readings/reading.ts';
import { createKnownPatient, type PatientFacts } from './known-patient.ts';
import type { Contacts, PatientInput } from './patient.ts';
import { contactsOf, openRow, type PatientRow, rowFromCbor, rowToCbor, sealRow } from './patient-row.ts';
import type { KnownPatient } from './people-client.ts';

/** A patient as the directory knows it. Without `input`: a wearer nobody has registered. */
export interface Patient extends KnownPatient {
  readonly input: PatientInput | null;
}

export interface PeopleDirectoryOptions {
  /** Registered patients at most; default 100,000. */
  readonly registeredMax?: number;
  /** Wearers kept without being registered at most (anybody who reaches the broker can invent them); default 10,000. */
  readonly unregisteredMax?: number;
}

export interface PeopleDirectoryDependencies {
  readonly tables: TableStore;
  /** Seals each row: the tables never hold a name, an id or a seed in clear. */
  readonly box: Box;
  /** Makes seeds: the operating system's outside tests. */
  readonly random: Random;
}

/** The wearable's id belongs to another patient already. */
export class UserIdTakenError extends Condition {
  override readonly name = 'UserIdTakenError';
  constructor() {
    super('user-id-taken', 'another registered patient wears a device with this userId');
  }
}

/** No patient has this pseudonym. */
export class PatientUnknownError extends Condition {
  override readonly name = 'PatientUnknownError';
  constructor() {
    super('patient-unknown', 'no patient has this subject id');
  }
}

/** The directory holds as many patients as it may; nothing was added. Retryable once some were removed. */
export class DirectoryFullError extends Condition {
  override readonly name = 'DirectoryFullError';
  constructor(registeredMax: number) {
    super('directory-full', `the directory holds ${registeredMax} patients, as many as it may`, {
      facts: { registeredMax },
      retryable: true,
    });
  }
}

/** Who the patients are, durable and sealed. Every promise resolves after the commit. */
export interface PeopleDirectory {
  /** Random, made with the directory: a directory that lost its tables has another. 32 hex characters. */
  readonly epoch: string;
  /** Grows with each change. */
  readonly version: number;
  /**
   * Registers a patient; a wearer known as unregistered keeps its pseudonym, keys and records.
   * @throws {UserIdTakenError}; {@link DirectoryFullError}; what the tables throw.
   */
  register(input: PatientInput): Promise<Patient>;
  /** @throws {PatientUnknownError}; {@link UserIdTakenError}; what the tables throw. */
  update(subjectId: SubjectId, input: PatientInput): Promise<Patient>;
  /** All patients, the registered first, each in the order of their ids. */
  list(): readonly Patient[];
  /** The patients who wear these devices. New ones are added as unregistered, while there is room; else missing. */
  resolve(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, Patient>>;
  peek(userId: UserId): Patient | undefined;
  bySubject(subjectId: SubjectId): Patient | undefined;
  contacts(subjectId: SubjectId): Contacts;
  /** What must be known to know the patient: only for trusted peers. */
  factsOf(subjectId: SubjectId): PatientFacts | undefined;
  /** Pseudonyms changed after `version`, oldest change first, at most `limit`; the version they bring one to. */
  changesSince(version: number, limit: number): { readonly subjectIds: readonly SubjectId[]; readonly version: number };
  onChange(handler: () => void): Disposable;
}

const patientsTable = 'people.patients';
const metaTable = 'people.meta';
const epochKey = new TextEncoder().encode('epoch');
const versionKey = new TextEncoder().encode('version');

/**
 * Opens the directory that lies in `tables`, or makes a new one.
 * @throws {SealBrokenError} when the box is another than it was sealed with; what the tables throw.
 */
export async function openPeopleDirectory(
  options: PeopleDirectoryOptions,
  dependencies: PeopleDirectoryDependencies,
): Promise<PeopleDirectory> {
  const { tables, random } = dependencies;
  let epoch = tables.get(metaTable, epochKey);
  if (epoch === undefined) {
    epoch = random.bytes(16);
    await tables.commit([{ kind: 'put', table: metaTable, key: epochKey, value: epoch }]);
  }
  return new Directory(toHex(epoch), options, dependencies);
}

interface Entry {
  readonly row: PatientRow;
  readonly patient: Patient;
}

class Directory implements PeopleDirectory {
  readonly epoch: string;
  readonly #registeredMax: number;
  readonly #unregisteredMax: number;
  readonly #tables: TableStore;
  readonly #box: Box;
  readonly #random: Random;
  readonly #bySubject = new Map<SubjectId, Entry>();
  readonly #byUser = new Map<UserId, Entry>();
  readonly #handlers = new Set<() => void>();
  #registeredCount = 0;
  #version = 0;
  /** Changes run one after another, so that two registrations of one userId cannot both pass the check. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(epoch: string, options: PeopleDirectoryOptions, dependencies: PeopleDirectoryDependencies) {
    this.epoch = epoch;
    this.#registeredMax = options.registeredMax ?? 100_000;
    this.#unregisteredMax = options.unregisteredMax ?? 10_000;
    this.#tables = dependencies.tables;
    this.#box = dependencies.box;
    this.#random = dependencies.random;
    for (const { key, value } of this.#tables.range(patientsTable)) {
      const row = rowFromCbor(openRow(this.#box, patientsTable, key, value));
      const subject = Uint8Array.from(key);
      this.#remember(row, subject, toHex(subject) as SubjectId); // the table's keys are subject ids
    }
    const version = this.#tables.get(metaTable, versionKey);
    if (version !== undefined) this.#version = Number(new TextDecoder().decode(version));
  }

  get version(): number {
    return this.#version;
  }

  register(input: PatientInput): Promise<Patient> {
    return this.#inTurn(async () => {
      const known = this.#byUser.get(input.userId);
      if (known !== undefined && known.row.input !== null) throw new UserIdTakenError();
      if (this.#registeredCount >= this.#registeredMax) throw new DirectoryFullError(this.#registeredMax);
      const seed = known?.row.facts.seed ?? generateSeed(this.#random);
      const [patient] = await this.#put([{ facts: factsFrom(input, seed), input }]);
      return patient as Patient;
    });
  }

  update(subjectId: SubjectId, input: PatientInput): Promise<Patient> {
    return this.#inTurn(async () => {
      const known = this.#bySubject.get(subjectId);
      if (known === undefined) throw new PatientUnknownError();
      const wearer = this.#byUser.get(input.userId);
      if (wearer !== undefined && wearer !== known) throw new UserIdTakenError();
      if (known.row.input === null && this.#registeredCount >= this.#registeredMax) {
        throw new DirectoryFullError(this.#registeredMax);
      }
      const [patient] = await this.#put([{ facts: factsFrom(input, known.row.facts.seed), input }]);
      return patient as Patient;
    });
  }

  list(): readonly Patient[] {
    const patients = [...this.#bySubject.values()].map((entry) => entry.patient);
    return patients.sort((one, other) => {
      if (one.isRegistered !== other.isRegistered) return one.isRegistered ? -1 : 1;
      return one.userId < other.userId ? -1 : 1;
    });
  }

  async resolve(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, Patient>> {
    const wanted = [...new Set(userIds)];
    if (wanted.some((userId) => !this.#byUser.has(userId))) await this.#inTurn(() => this.#addWearers(wanted));
    const found = new Map<UserId, Patient>();
    for (const userId of wanted) {
      const entry = this.#byUser.get(userId);
      if (entry !== undefined) found.set(userId, entry.patient);
    }
    return found;
  }

  peek(userId: UserId): Patient | undefined {
    return this.#byUser.get(userId)?.patient;
  }

  bySubject(subjectId: SubjectId): Patient | undefined {
    return this.#bySubject.get(subjectId)?.patient;
  }

  contacts(subjectId: SubjectId): Contacts {
    return contactsOf(this.#bySubject.get(subjectId)?.row.input ?? null);
  }

  factsOf(subjectId: SubjectId): PatientFacts | undefined {
    return this.#bySubject.get(subjectId)?.row.facts;
  }

  changesSince(version: number, limit: number): { subjectIds: readonly SubjectId[]; version: number } {
    const changed = [...this.#bySubject.values()].filter((entry) => entry.row.version > version);
    changed.sort((one, other) => one.row.version - other.row.version);
    const page = changed.slice(0, limit);
    const last = page.length < changed.length ? page.at(-1)?.row.version : undefined;
    return { subjectIds: page.map((entry) => entry.patient.subjectId), version: last ?? this.#version };
  }

  onChange(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async #addWearers(userIds: readonly UserId[]): Promise<void> {
    const room = this.#unregisteredMax - (this.#bySubject.size - this.#registeredCount);
    const added = userIds.filter((userId) => !this.#byUser.has(userId)).slice(0, Math.max(0, room));
    if (added.length === 0) return;
    await this.#put(
      added.map((userId) => ({
        facts: { userId, seed: generateSeed(this.#random), isRegistered: false, deviceKind: 'live' as const },
        input: null,
      })),
    );
  }

  async #put(rows: readonly Omit<PatientRow, 'version'>[]): Promise<Patient[]> {
    // A version for each row, so that a page of changes may end after any of them.
    const version = this.#version + rows.length;
    const changes: TableChange[] = [];
    const placed = rows.map((content, index) => {
      const row = { ...content, version: this.#version + 1 + index };
      const { subject, subjectId } = createKeyTree(row.facts.seed);
      const value = sealRow(this.#box, patientsTable, subject, rowToCbor(row));
      changes.push({ kind: 'put', table: patientsTable, key: subject, value });
      return { row, subject, subjectId: subjectId as SubjectId }; // the key tree's own name for it
    });
    const count = new TextEncoder().encode(String(version));
    changes.push({ kind: 'put', table: metaTable, key: versionKey, value: count });
    await this.#tables.commit(changes);
    this.#version = version;
    const patients = placed.map(({ row, subject, subjectId }) => this.#remember(row, subject, subjectId));
    for (const handler of [...this.#handlers]) handler();
    return patients;
  }

  #remember(row: PatientRow, subject: Uint8Array, subjectId: SubjectId): Patient {
    const before = this.#bySubject.get(subjectId);
    if (before !== undefined) {
      this.#byUser.delete(before.patient.userId);
      if (before.row.input !== null) this.#registeredCount -= 1;
    }
    const known = createKnownPatient(row.facts, subject, subjectId);
    // Not a spread: that would make the key tree at once.
    const patient: Patient = Object.assign(known, { input: row.input });
    const entry = { row, patient };
    this.#bySubject.set(subjectId, entry);
    this.#byUser.set(row.facts.userId, entry);
    if (row.input !== null) this.#registeredCount += 1;
    return patient;
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action, action);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

function factsFrom(input: PatientInput, seed: Uint8Array): PatientFacts {
  return { userId: input.userId, seed, isRegistered: true, deviceKind: input.device.kind };
}
