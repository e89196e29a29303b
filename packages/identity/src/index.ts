export {
  assertCurrentCard,
  type CardFacts,
  type CardInbox,
  type CardRelay,
  type ContactCard,
  cardLimits,
  createCard,
  inboxAt,
  isCardName,
  isRelayUrl,
  parseCard,
  statementHash,
} from './card.ts';
export {
  type CardDirectory,
  type CardDirectoryDependencies,
  type CardProblem,
  cardDirectoryLimits,
  openCardDirectory,
} from './card-directory.ts';
export type { CardReport, CardVerdict } from './card-memory.ts';
export { cardFromText, cardToQr, cardToText } from './card-text.ts';
export {
  protectIdentity,
  type RotateOptions,
  refreshSealing,
  rotateSealing,
  sealingLimits,
  succeedIdentity,
} from './change-identity.ts';
export {
  createDeviceList,
  type Device,
  type DeviceChanges,
  type DeviceList,
  deviceLimits,
  hasDevice,
  parseDeviceRequest,
  requestDevice,
  verifyDeviceList,
} from './devices.ts';
export {
  CardDirectoryError,
  type CardDirectoryFault,
  DeviceListError,
  type DeviceListFault,
  IdentityChangedError,
  IdentityDamagedError,
  IdentityExistsError,
  IdentityFileError,
  IdentityMissingError,
  KeyFileExposedError,
  KeyFileMissingError,
  KeyStoreError,
  type Protection,
  type StatementKind,
  type StatementRefusal,
  StatementRefusedError,
  WrongKeyError,
} from './errors.ts';
export { type Identity, identityOfSeed } from './identity.ts';
export type { KeyStore } from './keystore.ts';
export {
  customaryKeyStore,
  type KeyStoreName,
  type KeyStoreOptions,
  keystoreLimits,
  keystoreNames,
  openKeyStore,
} from './keystore-tools.ts';
export { loadIdentity, loadOrCreateIdentity } from './load-or-create.ts';
export {
  deviceRequestFromText,
  deviceRequestToText,
  identityFileNames,
  readCardFile,
  readDeviceListFile,
  writeCardFile,
  writeDeviceListFile,
} from './own-files.ts';
export type { IdentityOptions } from './protection.ts';
export { safetyNumber } from './safety-number.ts';
export type { SealingKey } from './sealing.ts';
export type { Signatory } from './signed.ts';
export {
  followSuccessions,
  type Succession,
  signSuccession,
  successionBytesMax,
  verifySuccession,
} from './succession.ts';
export {
  BackupWordsError,
  type BackupWordsFault,
  backupWordCount,
  backupWords,
  identityOfWords,
  restoreIdentity,
} from './words.ts';
