import type { WaitOptions } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base';
import type { KeyTree } from '@pulsemesh/crypto';
import type { SubjectId } from '@pulsemesh/network';
import type { UserId } from '../readings/reading.ts';
import type { DeviceKind } from '../readings/skew.ts';
import type { Contacts } from './patient.ts';

/** What a role knows of a patient whose readings it handles. */
export interface KnownPatient {
  readonly userId: UserId;
  readonly subjectId: SubjectId;
  /** The same as 16 bytes: not to be written into. */
  readonly subject: Uint8Array;
  /** Seals and opens the patient's records. */
  readonly keyTree: KeyTree;
  /** False for a wearer nobody has registered: kept, shown as such, and told to nobody. */
  readonly isRegistered: boolean;
  readonly deviceKind: DeviceKind;
}

/** The people directory as roles see it. Implementations: over the network with a durable cache; in the same process. */
export interface PeopleClient extends AsyncDisposable {
  /** What is known without asking: at once, from the cache. */
  peek(userId: UserId): KnownPatient | undefined;
  /** As {@link peek}, by pseudonym. */
  peekSubject(subjectId: SubjectId): KnownPatient | undefined;
  /**
   * The patients who wear these devices; one the directory does not know yet is added as unregistered. A user id
   * missing in the answer could not be added: the directory holds as many unregistered patients as it may.
   * @throws {DirectoryUnreachableError} when it needs the directory and no peer answers for it; `signal.reason`.
   */
  resolve(userIds: readonly UserId[], options?: WaitOptions): Promise<ReadonlyMap<UserId, KnownPatient>>;
  /**
   * The patients with these pseudonyms; those the directory does not know are missing in the answer.
   * @throws {DirectoryUnreachableError}; `signal.reason`.
   */
  bySubject(subjectIds: readonly SubjectId[], options?: WaitOptions): Promise<ReadonlyMap<SubjectId, KnownPatient>>;
  /**
   * Whom to tell about a patient; nobody for an unregistered or unknown one. While the directory is down, what it
   * said last.
   * @throws {DirectoryUnreachableError} when it is down and has never said; `signal.reason`.
   */
  contacts(subjectId: SubjectId, options?: WaitOptions): Promise<Contacts>;
  /** Calls back after something about patients changed. */
  onChange(handler: () => void): Disposable;
}

/** No live peer answers for the people directory. Retryable: it comes back with the gateway. */
export class DirectoryUnreachableError extends Condition {
  override readonly name = 'DirectoryUnreachableError';
  constructor(cause?: unknown) {
    super('directory-unreachable', 'no live peer answers for the people directory', { retryable: true, cause });
  }
}

/** Nobody is told. */
export const noContacts: Contacts = { patient: null, doctor: null, tells: { patient: false, doctor: false } };
