import { assert } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { nonceBytes, tagBytes } from './aead.ts';
import { assertKey } from './hash.ts';

/** AES-256-GCM with numbered packets: one direction of a session. */
export interface PacketCipher {
  /**
   * ciphertext ‖ tag, {@link packetTagBytes} longer than the plaintext. `number` is 0 … 2^64-1 and must never repeat under one key: that
   * would give the key away. A plain number is a safe integer.
   */
  seal(number: bigint | number, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The same, written into `target` at `offset`: a packet that is made whole at once is not copied again. */
  sealInto(
    target: Uint8Array,
    offset: number,
    number: bigint | number,
    associatedData: Uint8Array,
    plaintext: Uint8Array,
  ): void;
  /** The plaintext, or null when it was altered, cut, renumbered, or sealed under another key. */
  open(number: bigint | number, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | null;
}

/** How much longer than its plaintext a sealed packet is. */
export const packetTagBytes = tagBytes;

/** The cipher of a 32-byte key (copied). Nonce = 4 zero bytes ‖ number as 8 bytes, big-endian. */
export function createPacketCipher(key: Uint8Array): PacketCipher {
  assertKey(key, 'a packet key');
  const aead = primitives.importAead('aes-256-gcm', key);
  // Written anew for each packet; sealing and opening are synchronous, so they never meet in it.
  const nonce = new Uint8Array(nonceBytes);
  const view = new DataView(nonce.buffer);
  return {
    seal(number, associatedData, plaintext) {
      const sealed = new Uint8Array(plaintext.length + tagBytes);
      this.sealInto(sealed, 0, number, associatedData, plaintext);
      return sealed;
    },
    sealInto(target, offset, number, associatedData, plaintext) {
      writeNumber(view, number);
      aead.sealInto(target, offset, nonce, associatedData, plaintext);
    },
    open(number, associatedData, sealed) {
      if (sealed.length < tagBytes) return null;
      writeNumber(view, number);
      return aead.open(nonce, associatedData, sealed);
    },
  };
}

function writeNumber(view: DataView, number: bigint | number): void {
  if (typeof number === 'bigint') {
    assert(number >= 0n && number < 1n << 64n, 'a packet number is 0 … 2^64-1');
    view.setBigUint64(4, number);
  } else {
    assert(Number.isSafeInteger(number) && number >= 0, 'a packet number is a safe integer');
    view.setUint32(4, Math.floor(number / 2 ** 32));
    view.setUint32(8, number >>> 0);
  }
}
