import { createKeyTree, type KeyTree } from '@pulsemesh/crypto';
import type { SubjectId } from '@pulsemesh/network';
import type { UserId } from '../readings/reading.ts';
import type { DeviceKind } from '../readings/skew.ts';
import type { KnownPatient } from './people-client.ts';

/** What it takes to know a patient: goes between trusted peers and lies sealed in their caches. */
export interface PatientFacts {
  readonly userId: UserId;
  /** 32 bytes, the root of the patient's key tree. Secret. */
  readonly seed: Uint8Array;
  readonly isRegistered: boolean;
  readonly deviceKind: DeviceKind;
}

/**
 * A known patient whose key tree is made when it is first needed: a directory of many thousands opens without
 * deriving keys for each.
 */
export function createKnownPatient(facts: PatientFacts, subject: Uint8Array, subjectId: SubjectId): KnownPatient {
  let keyTree: KeyTree | undefined;
  return {
    userId: facts.userId,
    isRegistered: facts.isRegistered,
    deviceKind: facts.deviceKind,
    subject,
    subjectId,
    get keyTree() {
      keyTree ??= createKeyTree(facts.seed);
      return keyTree;
    },
  };
}
