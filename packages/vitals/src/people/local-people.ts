import type { PeopleDirectory } from './directory.ts';
import type { KnownPatient, PeopleClient } from './people-client.ts';

/** The directory itself as roles see it, for roles in the directory's own process. */
export function createLocalPeopleClient(directory: PeopleDirectory): PeopleClient {
  return {
    peek: (userId) => directory.peek(userId),
    peekSubject: (subjectId) => directory.bySubject(subjectId),
    resolve: async (userIds) => new Map<(typeof userIds)[number], KnownPatient>(await directory.resolve(userIds)),
    bySubject: async (subjectIds) => {
      const found = new Map<(typeof subjectIds)[number], KnownPatient>();
      for (const subjectId of subjectIds) {
        const patient = directory.bySubject(subjectId);
        if (patient !== undefined) found.set(subjectId, patient);
      }
      return found;
    },
    contacts: async (subjectId) => directory.contacts(subjectId),
    onChange: (handler) => directory.onChange(handler),
    [Symbol.asyncDispose]: async () => {},
  };
}
