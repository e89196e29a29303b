export {
  IdentityChangedError,
  IdentityDamagedError,
  IdentityExistsError,
  IdentityFileError,
  IdentityMissingError,
  KeyFileExposedError,
  KeyFileMissingError,
  KeyStoreError,
  type Protection,
  WrongKeyError,
} from './errors.ts';
export { type Identity, identityOfSeed } from './identity.ts';
export type { KeyStore } from './keystore.ts';
export { loadIdentity, loadOrCreateIdentity } from './load-or-create.ts';
export type { IdentityOptions } from './protection.ts';
export type { HybridSealingKey, SealingKey } from './sealing.ts';
