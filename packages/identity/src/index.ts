export {
  IdentityDamagedError,
  IdentityFileError,
  KeyFileExposedError,
  KeyFileMissingError,
  type Protection,
  WrongKeyError,
} from './errors.ts';
export { type Identity, identityOfSeed } from './identity.ts';
export { type IdentityOptions, loadOrCreateIdentity } from './load-or-create.ts';
