import type { Box } from '@pulsemesh/crypto';
import { createKeyTree } from '@pulsemesh/crypto';
import type { SubjectId } from '@pulsemesh/network';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor, fromHex, toHex } from '@pulsemesh/wire';
import type { UserId } from '../readings/reading.ts';
import { createKnownPatient, type PatientFacts } from './known-patient.ts';
import type { Contacts } from './patient.ts';
import { contactsFromCbor, contactsToCbor, factsFromCbor, factsToCbor, openRow, sealRow } from './patient-row.ts';
import type { KnownPatient } from './people-client.ts';

const patientsTable = 'people.cache';
const contactsTable = 'people.contacts';
const metaTable = 'people.cache-meta';
const stateKey = new TextEncoder().encode('state');

/** Up to where the cache follows the directory. */
export interface CacheState {
  readonly epoch: string;
  readonly version: number;
}

/**
 * What a node has learnt of patients, sealed in its tables, so that it goes on while the directory is down. Past
 * `patientsMax` it forgets the ones learnt longest ago.
 */
export class PeopleCache {
  readonly #tables: TableStore;
  readonly #box: Box;
  readonly #patientsMax: number;
  readonly #bySubject = new Map<SubjectId, KnownPatient>();
  readonly #byUser = new Map<UserId, KnownPatient>();
  state: CacheState | undefined;

  /** @throws {SealBrokenError} when the box is another than the tables were sealed with. */
  constructor(tables: TableStore, box: Box, patientsMax: number) {
    this.#tables = tables;
    this.#box = box;
    this.#patientsMax = patientsMax;
    for (const { key, value } of tables.range(patientsTable)) {
      const subject = Uint8Array.from(key);
      const facts = factsFromCbor(openRow(box, patientsTable, subject, value));
      this.#remember(createKnownPatient(facts, subject, toHex(subject) as SubjectId)); // keys are subject ids
    }
    const state = tables.get(metaTable, stateKey);
    if (state === undefined) return;
    const [epoch, version] = decodeCbor(state) as [string, number]; // written by `follow` below
    this.state = { epoch, version };
  }

  byUser(userId: UserId): KnownPatient | undefined {
    return this.#byUser.get(userId);
  }

  bySubject(subjectId: SubjectId): KnownPatient | undefined {
    return this.#bySubject.get(subjectId);
  }

  subjectIds(): readonly SubjectId[] {
    return [...this.#bySubject.keys()];
  }

  /** Keeps what the directory said; durable when it resolves. */
  async learn(learnt: readonly PatientFacts[]): Promise<readonly KnownPatient[]> {
    if (learnt.length === 0) return [];
    const changes: TableChange[] = [];
    const patients = learnt.map((facts) => {
      const { subject, subjectId } = createKeyTree(facts.seed);
      const value = sealRow(this.#box, patientsTable, subject, factsToCbor(facts));
      changes.push({ kind: 'put', table: patientsTable, key: subject, value });
      return createKnownPatient(facts, subject, subjectId as SubjectId); // the key tree's own name for it
    });
    for (const patient of patients) this.#remember(patient);
    while (this.#bySubject.size > this.#patientsMax) {
      const oldest = this.#bySubject.values().next().value as KnownPatient;
      this.#forget(oldest);
      changes.push({ kind: 'remove', table: patientsTable, key: oldest.subject });
      changes.push({ kind: 'remove', table: contactsTable, key: oldest.subject });
    }
    await this.#tables.commit(changes);
    return patients;
  }

  /** Notes up to where the cache is right. */
  async follow(state: CacheState): Promise<void> {
    this.state = state;
    const value = encodeCbor([state.epoch, state.version]);
    await this.#tables.commit([{ kind: 'put', table: metaTable, key: stateKey, value }]);
  }

  async learnContacts(subjectId: SubjectId, contacts: Contacts): Promise<void> {
    const key = fromHex(subjectId, 16);
    const value = sealRow(this.#box, contactsTable, key, contactsToCbor(contacts));
    await this.#tables.commit([{ kind: 'put', table: contactsTable, key, value }]);
  }

  contacts(subjectId: SubjectId): Contacts | undefined {
    const key = fromHex(subjectId, 16);
    const value = this.#tables.get(contactsTable, key);
    return value === undefined ? undefined : contactsFromCbor(openRow(this.#box, contactsTable, key, value));
  }

  #remember(patient: KnownPatient): void {
    const before = this.#bySubject.get(patient.subjectId);
    if (before !== undefined) this.#forget(before);
    this.#bySubject.set(patient.subjectId, patient);
    this.#byUser.set(patient.userId, patient);
  }

  #forget(patient: KnownPatient): void {
    this.#bySubject.delete(patient.subjectId);
    // The device may be another patient's by now.
    if (this.#byUser.get(patient.userId) === patient) this.#byUser.delete(patient.userId);
  }
}
