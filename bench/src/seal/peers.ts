import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import * as hpke from 'hpke';
import sodium from 'libsodium-wrappers';
import type { Contender } from './contender.ts';

/** The npm `hpke`, over WebCrypto: base mode. */
export async function hpkePeer(content: Uint8Array): Promise<Contender> {
  return ofHpke('hpke', hpke.KEM_DHKEM_X25519_HKDF_SHA256, content);
}

/** The same with the hybrid of X25519 and ML-KEM-768. */
export async function hpkeHybridPeer(content: Uint8Array): Promise<Contender> {
  return ofHpke('hpke, MLKEM768-X25519', hpke.KEM_MLKEM768_X25519, content);
}

async function ofHpke(name: string, kem: typeof hpke.KEM_MLKEM768_X25519, content: Uint8Array): Promise<Contender> {
  const suite = new hpke.CipherSuite(kem, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES_256_GCM);
  const pair = await suite.GenerateKeyPair();
  const seal = () => suite.Seal(pair.publicKey, content);
  const { encapsulatedSecret, ciphertext } = await seal();
  return { name, seal, open: () => suite.Open(pair, encapsulatedSecret, ciphertext) };
}

/** A context of the npm `hpke`. */
export async function hpkeContextPeer(content: Uint8Array): Promise<Contender> {
  const suite = new hpke.CipherSuite(hpke.KEM_DHKEM_X25519_HKDF_SHA256, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES_256_GCM);
  const pair = await suite.GenerateKeyPair();
  const { encapsulatedSecret, ctx: sender } = await suite.SetupSender(pair.publicKey);
  const { ctx: other } = await suite.SetupSender(pair.publicKey);
  const recipient = await suite.SetupRecipient(pair, encapsulatedSecret);
  return {
    name: 'hpke context',
    seal: () => other.Seal(content),
    open: async () => recipient.Open(await sender.Seal(content)),
  };
}

/** The npm `@hpke/core` with its X25519: base mode, or auth mode. */
export async function corePeer(content: Uint8Array, mode: 'base' | 'auth'): Promise<Contender> {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipientKey = await suite.kem.generateKeyPair();
  const senderKey = await suite.kem.generateKeyPair();
  const to = { recipientPublicKey: recipientKey.publicKey, ...(mode === 'auth' && { senderKey }) };
  const seal = () => suite.seal(to, content);
  const { enc, ct } = await seal();
  const from = { recipientKey, enc, ...(mode === 'auth' && { senderPublicKey: senderKey.publicKey }) };
  return { name: `@hpke/core, ${mode} mode`, seal, open: () => suite.open(from, ct) };
}

/** libsodium's sealed boxes in WebAssembly: no sender, no padding, XSalsa20-Poly1305. */
export async function sodiumPeer(content: Uint8Array): Promise<Contender> {
  await sodium.ready;
  const { publicKey, privateKey } = sodium.crypto_box_keypair();
  const seal = () => sodium.crypto_box_seal(content, publicKey);
  const sealed = seal();
  return { name: 'libsodium sealed box', seal, open: () => sodium.crypto_box_seal_open(sealed, publicKey, privateKey) };
}
