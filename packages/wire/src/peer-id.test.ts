import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { describe, expect, it } from 'vitest';
import { DecodeError } from './errors.ts';
import { ed25519KeyOf, parsePeerId, peerIdOfEd25519 } from './peer-id.ts';

const legacy = 'QmTp9VkYvnHyrqKQuFPiuZkiX9gPcqj6x5LJ1rmWuSySnL';

describe('peer ids', () => {
  it('are those of @libp2p/peer-id', async () => {
    const key = await generateKeyPair('Ed25519');
    const text = peerIdFromPrivateKey(key).toString();
    expect(peerIdOfEd25519(key.publicKey.raw)).toBe(text);
    expect(parsePeerId(text)).toBe(text);
    expect(ed25519KeyOf(parsePeerId(text))).toEqual(key.publicKey.raw);
  });

  it('may be legacy ones, which hold no key', () => {
    expect(parsePeerId(legacy)).toBe(legacy);
    expect(ed25519KeyOf(parsePeerId(legacy))).toBeNull();
  });

  it.each(['', 'Qm', 'hello', '0OIl', `1${legacy}`, legacy.slice(0, -1), `${legacy} `, 'bafzaaj', 'x'.repeat(10_000)])(
    'refuses %j',
    (text) => {
      expect(() => parsePeerId(text)).toThrow(DecodeError);
    },
  );
});
