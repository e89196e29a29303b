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
