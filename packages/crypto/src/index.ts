export { type Box, boxLimits, boxOverheadBytes, createBox } from './box.ts';
export { createSigner, generateSeed, type Signer, verifySignature } from './ed25519.ts';
export { SealBrokenError } from './errors.ts';
export { equalSecrets, type HkdfInput, hkdfSha256, hmacSha256, sha256 } from './hash.ts';
export { createKeyTree, type KeyTree, type KeyTreeOptions, type SealPlace, sealOverheadBytes } from './key-tree.ts';
export {
  createPassphraseParameters,
  derivePassphraseKey,
  type PassphraseParameters,
  PassphraseParametersError,
  passphraseLimits,
} from './passphrase.ts';
