import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { createSystemRandom } from '@pulsemesh/base';
import {
  createHpkeSuite,
  createHybridKey,
  createX25519Key,
  dhKemX25519,
  generateX25519,
  xWing,
} from '@pulsemesh/crypto';
import * as panva from 'hpke';
import { describe, expect, it } from 'vitest';

const random = createSystemRandom();
const text = (value: string) => new TextEncoder().encode(value);

// Here and not in the crypto package: the peers are dependencies of the bench only.
describe('our HPKE', () => {
  const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
  const core = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const other = new panva.CipherSuite(
    panva.KEM_DHKEM_X25519_HKDF_SHA256,
    panva.KDF_HKDF_SHA256,
    panva.AEAD_AES_256_GCM,
  );
  const privateKey = random.bytes(32);
  const recipientKey = createX25519Key(privateKey);
  const info = text('info');
  const message = text('72 bpm');
  const additional = text('additional');

  it('seals to and opens from hpke', async () => {
    const sender = suite.createSender({ recipientPublicKey: recipientKey.publicKey, info }, { random });
    const theirKey = await other.DeserializePrivateKey(privateKey);
    const sealed = sender.seal(additional, message);
    const pair = { privateKey: theirKey, publicKey: await other.DeserializePublicKey(recipientKey.publicKey) };
    expect(await other.Open(pair, sender.encapsulated, sealed, { aad: additional, info })).toEqual(message);
    const theirs = await other.Seal(pair.publicKey, message, { aad: additional, info });
    const recipient = suite.createRecipient({ encapsulated: theirs.encapsulatedSecret, recipientKey, info });
    expect(recipient.open(additional, theirs.ciphertext)).toEqual(message);
  });

  it('seals to and opens from @hpke/core, the sender authenticated', async () => {
    const senderKey = createX25519Key(generateX25519(random).privateKey);
    const to = { recipientPublicKey: recipientKey.publicKey, info, senderKey };
    const sender = suite.createSender(to, { random });
    const theirPrivate = await core.kem.deserializePrivateKey(privateKey);
    const theirSender = await core.kem.deserializePublicKey(senderKey.publicKey);
    const opened = await core.open(
      { recipientKey: theirPrivate, senderPublicKey: theirSender, enc: sender.encapsulated, info },
      sender.seal(additional, message),
      additional,
    );
    expect(new Uint8Array(opened)).toEqual(message);

    const theirPair = await core.kem.generateKeyPair();
    const recipientPublicKey = await core.kem.deserializePublicKey(recipientKey.publicKey);
    const theirs = await core.seal({ recipientPublicKey, senderKey: theirPair, info }, message, additional);
    const senderPublicKey = new Uint8Array(await core.kem.serializePublicKey(theirPair.publicKey));
    const encapsulated = new Uint8Array(theirs.enc);
    const recipient = suite.createRecipient({ encapsulated, recipientKey, info, senderPublicKey });
    expect(recipient.open(additional, new Uint8Array(theirs.ct))).toEqual(message);
  });

  it('seals to and opens from hpke over X-Wing', async () => {
    const hybrid = createHpkeSuite(xWing, 'aes-256-gcm');
    const theirs = new panva.CipherSuite(panva.KEM_MLKEM768_X25519, panva.KDF_HKDF_SHA256, panva.AEAD_AES_256_GCM);
    const seed = random.bytes(32);
    const key = createHybridKey(seed);
    const publicKey = await theirs.DeserializePublicKey(key.publicKey);
    const pair = { publicKey, privateKey: await theirs.DeserializePrivateKey(seed) };
    const sender = hybrid.createSender({ recipientPublicKey: key.publicKey, info }, { random });
    const sealed = sender.seal(additional, message);
    expect(await theirs.Open(pair, sender.encapsulated, sealed, { aad: additional, info })).toEqual(message);
    const made = await theirs.Seal(publicKey, message, { aad: additional, info });
    const recipient = hybrid.createRecipient({ encapsulated: made.encapsulatedSecret, recipientKey: key, info });
    expect(recipient.open(additional, made.ciphertext)).toEqual(message);
  });
});
