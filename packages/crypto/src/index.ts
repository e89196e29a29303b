export { type Box, boxLimits, boxOverheadBytes, createBox } from './box.ts';
export { createSigner, generateSeed, type Signer, verifySignature } from './ed25519.ts';
export { SealBrokenError, WeakKeyError } from './errors.ts';
export { equalSecrets, type HkdfInput, hkdfSha256, hmacSha256, sha256 } from './hash.ts';
export { deriveX25519PrivateKey, dhKemX25519 } from './hpke/dhkem-x25519.ts';
export {
  createHpkeSuite,
  type HpkeAead,
  HpkeMessageLimitError,
  type HpkePreSharedKey,
  type HpkeRecipient,
  type HpkeRecipientInput,
  type HpkeSender,
  type HpkeSenderInput,
  type HpkeSuite,
  hpkeLimits,
  hpkeTagBytes,
} from './hpke/hpke.ts';
export type { Encapsulation, HpkeKem } from './hpke/kem.ts';
export { createHybridKey, type HybridKey, hybridPublicKeyBytes, xWing } from './hpke/x-wing.ts';
export {
  countSubtreeKeys,
  type KeySubtree,
  OutsideSubtreeError,
  openSubtree,
  SubtreeLimitError,
  SubtreeMalformedError,
  type SubtreeSpan,
  subtreeLimits,
} from './key-subtree.ts';
export { createKeyTree, type KeyTree, type KeyTreeOptions, type SealPlace, sealOverheadBytes } from './key-tree.ts';
export { createKeystream, type Keystream, keystreamLimits } from './keystream.ts';
export {
  createP256Key,
  isP256PublicKey,
  type P256Key,
  p256LowerSignature,
  p256PublicKeyBytes,
  p256SignatureBytes,
  p256SignatureOfDer,
  verifyP256,
} from './p256.ts';
export { createPacketCipher, type PacketCipher, packetTagBytes } from './packet-cipher.ts';
export {
  createPassphraseParameters,
  derivePassphraseKey,
  type PassphraseParameters,
  PassphraseParametersError,
  passphraseLimits,
} from './passphrase.ts';
export {
  createSecp256k1Key,
  isSecp256k1PrivateKey,
  type Secp256k1Key,
  secp256k1SignatureBytes,
} from './secp256k1.ts';
export {
  createX25519Key,
  generateX25519,
  type X25519Key,
  type X25519KeyPair,
  x25519,
  x25519PublicKey,
} from './x25519.ts';
