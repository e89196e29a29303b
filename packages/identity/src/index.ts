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
export { loadIdentity, loadOrCreateIdentity } from './load-or-create.ts';
export type { IdentityOptions } from './protection.ts';
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
