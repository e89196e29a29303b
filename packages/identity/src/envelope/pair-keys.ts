import { createPacketCipher, hkdfSha256, hmacSha256, type PacketCipher } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';

/** Length of a tag: what a chain's batches carry, so that whoever opens them finds the session. */
export const pairTagBytes = 8;

/** Seals the headers of one chain. */
export interface HeaderKey {
  /** 32 bytes. Secret. */
  readonly key: Uint8Array;
  readonly tag: Uint8Array;
  /** The tag in hex. */
  readonly name: string;
  readonly cipher: PacketCipher;
}

/** One direction between two exchanges: each batch has the next key, and the key before is forgotten. */
export interface Chain {
  /** 32 bytes: of the next batch's key and all later ones. Secret. */
  readonly key: Uint8Array;
  readonly header: HeaderKey;
  /** How many batches it did. */
  readonly number: number;
}

const tagLabel = new TextEncoder().encode('pulsemesh/pair/1 tag');
const batchLabel = Uint8Array.of(1);
const nextLabel = Uint8Array.of(2);

export function createHeaderKey(key: Uint8Array): HeaderKey {
  const tag = hmacSha256(key, tagLabel).slice(0, pairTagBytes);
  return { key, tag, name: toHex(tag), cipher: createPacketCipher(key) };
}

/** The chain one batch on, and that batch's key. */
export function advance(chain: Chain): { readonly chain: Chain; readonly batchKey: Uint8Array } {
  return {
    chain: { ...chain, key: hmacSha256(chain.key, nextLabel), number: chain.number + 1 },
    batchKey: hmacSha256(chain.key, batchLabel),
  };
}

/** What a fresh exchange makes of the root: the next root, a new chain key, and the header key of the direction's next chain. */
export function ratchet(root: Uint8Array, sharedSecret: Uint8Array) {
  const keys = hkdfSha256({ key: sharedSecret, salt: root, info: 'pulsemesh/pair/1 ratchet', length: 96 });
  return { root: keys.slice(0, 32), chainKey: keys.slice(32, 64), nextHeader: createHeaderKey(keys.slice(64)) };
}

/** What the secret of the handshake gives both sides to begin with. */
export function beginning(secret: Uint8Array, id: Uint8Array) {
  const keys = hkdfSha256({ key: secret, salt: id, info: 'pulsemesh/pair/1 begin', length: 160 });
  const part = (index: number) => keys.slice(index * 32, index * 32 + 32);
  return {
    root: part(0),
    /** The initiator's first chain. */
    chain: { key: part(1), header: createHeaderKey(part(2)), number: 0 } satisfies Chain,
    initiatorNext: createHeaderKey(part(3)),
    responderNext: createHeaderKey(part(4)),
  };
}
