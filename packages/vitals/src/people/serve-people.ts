import { errorCode, type Logger, type Meter } from '@pulsemesh/base';
import { type NetworkPort, type SubjectId, serveRpc } from '@pulsemesh/network';
import { encodeCbor } from '@pulsemesh/wire';
import type { Patient, PeopleDirectory } from './directory.ts';
import { contactsToCbor, factsToCbor } from './patient-row.ts';
import {
  fieldOf,
  parseSubjectId,
  parseSubjectIds,
  parseUserIds,
  parseVersion,
  peopleProtocol,
  peopleTopic,
  peopleWireLimits,
} from './people-wire.ts';

/**
 * Serves `directory` to trusted peers on `/pulsemesh/people/1`, and announces its changes:
 *
 * - `resolve {userIds}` → `{epoch, version, patients: [[userId, seed, isRegistered, deviceKind], …]}`; new wearers are added;
 * - `bySubject {subjects}` → the same for those it knows;
 * - `contacts {subject}` → `{epoch, version, contacts}`;
 * - `changes {since}` → `{epoch, version, subjects}`: who changed after that version, a page at a time.
 *
 * Dispose to stop.
 */
export function servePeople(
  port: NetworkPort,
  directory: PeopleDirectory,
  dependencies: { readonly logger: Logger; readonly meter: Meter },
): Disposable {
  const stamped = (answer: object) => ({ epoch: directory.epoch, version: directory.version, ...answer });
  const facts = (patients: Iterable<Patient>) =>
    [...patients].flatMap((patient) => {
      const known = directory.factsOf(patient.subjectId);
      return known === undefined ? [] : [factsToCbor(known)];
    });
  const methods = {
    resolve: async (body: unknown) => {
      const patients = await directory.resolve(parseUserIds(body));
      return stamped({ patients: facts(patients.values()) });
    },
    bySubject: async (body: unknown) => {
      const found = parseSubjectIds(body).flatMap((subjectId: SubjectId) => directory.bySubject(subjectId) ?? []);
      return stamped({ patients: facts(found) });
    },
    contacts: async (body: unknown) =>
      stamped({ contacts: contactsToCbor(directory.contacts(parseSubjectId(fieldOf(body, 'subject')))) }),
    changes: async (body: unknown) => {
      const since = parseVersion(fieldOf(body, 'since'));
      const { subjectIds, version } = directory.changesSince(since, peopleWireLimits.changesMax);
      return { epoch: directory.epoch, version, subjects: subjectIds };
    },
  };
  const served = serveRpc(port, peopleProtocol, methods, { requireTrusted: true, ...dependencies });
  const announce = () => {
    const announcement = encodeCbor([directory.epoch, directory.version]);
    port.publish(peopleTopic, announcement).catch((error: unknown) => {
      // Roles ask by themselves now and then: an announcement lost makes them late, not wrong.
      dependencies.logger.debug('announcing the people directory failed', { code: errorCode(error) });
    });
  };
  const watched = directory.onChange(announce);
  announce();
  return {
    [Symbol.dispose]() {
      watched[Symbol.dispose]();
      served[Symbol.dispose]();
    },
  };
}
