export {
  DirectoryFullError,
  openPeopleDirectory,
  type Patient,
  PatientUnknownError,
  type PeopleDirectory,
  type PeopleDirectoryDependencies,
  type PeopleDirectoryOptions,
  UserIdTakenError,
} from './directory.ts';
export { createLocalPeopleClient } from './local-people.ts';
export {
  type Contacts,
  type Language,
  languages,
  type PatientInput,
  PatientInvalidError,
  type Person,
  parsePatientInput,
  personLimits,
} from './patient.ts';
export { DirectoryUnreachableError, type KnownPatient, noContacts, type PeopleClient } from './people-client.ts';
export { createPeopleClient, type PeopleClientDependencies, type PeopleClientOptions } from './remote-people.ts';
export { servePeople } from './serve-people.ts';
