import { assert, Condition, type Random } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { nonceBytes, tagBytes } from '../aead.ts';
import { SealBrokenError } from '../errors.ts';
import type { AeadAlgorithm, AeadKey } from '../primitives/primitives.ts';
import type { HpkeKem } from './kem.ts';
import { createLabeledKdf, join, type LabeledKdf, suiteIdOf } from './labels.ts';

/** HPKE's AEADs (RFC 9180 §7.3); with `export-only` a context seals nothing. */
export type HpkeAead = AeadAlgorithm | 'export-only';

/** A secret both sides had before; proves its holder. */
export interface HpkePreSharedKey {
  /** At least 32 random bytes (RFC 9180 §9.5). Not for passwords. */
  readonly key: Uint8Array;
  /** Says which key it is. At least one byte; travels nowhere. */
  readonly id: Uint8Array;
}

/** What a sender seals to. Modes of RFC 9180 §5.1: base, psk, auth, auth-psk, by what is there. */
export interface HpkeSenderInput<Key> {
  readonly recipientPublicKey: Uint8Array;
  /** Bound to the context: what it is for. */
  readonly info: Uint8Array;
  readonly senderKey?: Key;
  readonly preSharedKey?: HpkePreSharedKey;
}

/** What a recipient opens with; modes as for {@link HpkeSenderInput}. */
export interface HpkeRecipientInput<Key> {
  readonly encapsulated: Uint8Array;
  readonly recipientKey: Key;
  readonly info: Uint8Array;
  readonly senderPublicKey?: Uint8Array;
  readonly preSharedKey?: HpkePreSharedKey;
}

interface HpkeContext {
  /** `length` (1 … 8,160) bytes known to both sides only, another for each `context` (RFC 9180 §5.3). */
  export(context: Uint8Array, length: number): Uint8Array;
}

/** Seals messages in order. */
export interface HpkeSender extends HpkeContext {
  /** What the recipient needs to set up its side. */
  readonly encapsulated: Uint8Array;
  /**
   * ciphertext ‖ tag, {@link hpkeTagBytes} longer than the plaintext.
   * @throws {HpkeMessageLimitError}
   */
  seal(associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array;
}

/** Opens messages in the order they were sealed. */
export interface HpkeRecipient extends HpkeContext {
  /**
   * @throws {SealBrokenError} when altered, out of order, or from another sender; the context is as before then.
   * @throws {HpkeMessageLimitError}
   */
  open(associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array;
}

/** Hybrid public key encryption (RFC 9180) with one choice of algorithms; the KDF is HKDF-SHA-256. */
export interface HpkeSuite<Key> {
  readonly kem: HpkeKem<Key>;
  /** @throws {WeakKeyError} for a public key that gives no secret. */
  createSender(input: HpkeSenderInput<Key>, dependencies: { readonly random: Random }): HpkeSender;
  /** @throws {WeakKeyError} for bytes that encapsulate no secret. A wrong sender or key shows in `open`. */
  createRecipient(input: HpkeRecipientInput<Key>): HpkeRecipient;
}

/** How much longer than its plaintext a sealed message is. */
export const hpkeTagBytes = tagBytes;

/** Limits of a context. */
export const hpkeLimits = {
  /** Messages of one context. The RFC allows 2^96; whoever reaches this number sets up a new context. */
  messagesMax: 2 ** 48,
  /** Least length of a pre-shared key, in bytes. */
  preSharedKeyBytesMin: 32,
} as const;

/** The context sealed or opened as many messages as it may: set up a new one. */
export class HpkeMessageLimitError extends Condition {
  override readonly name = 'HpkeMessageLimitError';
  constructor(messagesMax: number) {
    super('hpke-message-limit', `this context has done its ${messagesMax} messages`, { facts: { messagesMax } });
  }
}

const aeads: Readonly<Record<HpkeAead, { readonly id: number; readonly keyBytes: number }>> = {
  'aes-128-gcm': { id: 1, keyBytes: 16 },
  'aes-256-gcm': { id: 2, keyBytes: 32 },
  'chacha20-poly1305': { id: 3, keyBytes: 32 },
  'export-only': { id: 0xffff, keyBytes: 0 },
};
const kdfId = 1;
const none = new Uint8Array(0);

/** Chooses the algorithms. `messagesMax` is for tests; default {@link hpkeLimits}. */
export function createHpkeSuite<Key>(
  kem: HpkeKem<Key>,
  aead: HpkeAead,
  options: { readonly messagesMax?: number } = {},
): HpkeSuite<Key> {
  const { id, keyBytes } = aeads[aead];
  const kdf = createLabeledKdf(suiteIdOf('HPKE', kem.id, kdfId, id));
  const messagesMax = options.messagesMax ?? hpkeLimits.messagesMax;
  const schedule = (secret: Uint8Array, isAuthenticated: boolean, info: Uint8Array, psk?: HpkePreSharedKey) => {
    const { key, baseNonce, exporterSecret } = keySchedule(kdf, keyBytes, secret, isAuthenticated, info, psk);
    const numbers =
      aead === 'export-only' ? null : new Numbered(primitives.importAead(aead, key), baseNonce, messagesMax);
    return {
      numbers,
      export: (context: Uint8Array, length: number) => kdf.expand(exporterSecret, 'sec', context, length),
    };
  };
  return {
    kem,
    createSender({ recipientPublicKey, info, senderKey, preSharedKey }, { random }) {
      const { sharedSecret, encapsulated } = kem.encapsulate(recipientPublicKey, random, senderKey);
      const context = schedule(sharedSecret, senderKey !== undefined, info, preSharedKey);
      return {
        encapsulated,
        export: context.export,
        seal: (ad, plaintext) => sealing(context.numbers).seal(ad, plaintext),
      };
    },
    createRecipient({ encapsulated, recipientKey, info, senderPublicKey, preSharedKey }) {
      const sharedSecret = kem.decapsulate(encapsulated, recipientKey, senderPublicKey);
      const context = schedule(sharedSecret, senderPublicKey !== undefined, info, preSharedKey);
      return { export: context.export, open: (ad, ciphertext) => sealing(context.numbers).open(ad, ciphertext) };
    },
  };
}

function sealing(numbers: Numbered | null): Numbered {
  assert(numbers !== null, 'an export-only context seals nothing');
  return numbers;
}

/** RFC 9180 §5.1. */
function keySchedule(
  kdf: LabeledKdf,
  keyBytes: number,
  sharedSecret: Uint8Array,
  isAuthenticated: boolean,
  info: Uint8Array,
  psk: HpkePreSharedKey | undefined,
) {
  if (psk !== undefined) {
    assert(psk.key.length >= hpkeLimits.preSharedKeyBytesMin, 'a pre-shared key has at least 32 bytes');
    assert(psk.id.length > 0, 'a pre-shared key has an id');
  }
  const mode = (psk === undefined ? 0 : 1) + (isAuthenticated ? 2 : 0);
  const pskIdHash = kdf.extract(none, 'psk_id_hash', psk?.id ?? none);
  const context = join(Uint8Array.of(mode), pskIdHash, kdf.extract(none, 'info_hash', info));
  const secret = kdf.extract(sharedSecret, 'secret', psk?.key ?? none);
  return {
    key: keyBytes === 0 ? none : kdf.expand(secret, 'key', context, keyBytes),
    baseNonce: keyBytes === 0 ? none : kdf.expand(secret, 'base_nonce', context, nonceBytes),
    exporterSecret: kdf.expand(secret, 'exp', context, 32),
  };
}

/** An AEAD under nonces that count (RFC 9180 §5.2): each is the base nonce XOR the number of the message. */
class Numbered {
  readonly #key: AeadKey;
  readonly #baseNonce: Uint8Array;
  readonly #messagesMax: number;
  readonly #nonce = new Uint8Array(nonceBytes);
  #number = 0;

  constructor(key: AeadKey, baseNonce: Uint8Array, messagesMax: number) {
    this.#key = key;
    this.#baseNonce = baseNonce;
    this.#messagesMax = messagesMax;
  }

  seal(associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(plaintext.length + tagBytes);
    this.#key.sealInto(sealed, 0, this.#nextNonce(), associatedData, plaintext);
    this.#number += 1;
    return sealed;
  }

  open(associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    if (ciphertext.length < tagBytes) throw new SealBrokenError('too short');
    const plaintext = this.#key.open(this.#nextNonce(), associatedData, ciphertext);
    if (plaintext === null) throw new SealBrokenError();
    this.#number += 1;
    return plaintext;
  }

  #nextNonce(): Uint8Array {
    if (this.#number >= this.#messagesMax) throw new HpkeMessageLimitError(this.#messagesMax);
    this.#nonce.set(this.#baseNonce);
    const view = new DataView(this.#nonce.buffer);
    view.setUint32(4, view.getUint32(4) ^ Math.floor(this.#number / 2 ** 32));
    view.setUint32(8, view.getUint32(8) ^ (this.#number >>> 0));
    return this.#nonce;
  }
}
