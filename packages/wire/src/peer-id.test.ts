import { describe, expect, it } from 'vitest';
import { fromHex } from './bytes.ts';
import { DecodeError } from './errors.ts';
import { ed25519KeyOf, parsePeerId, peerIdOfEd25519 } from './peer-id.ts';

const legacy = 'QmTp9VkYvnHyrqKQuFPiuZkiX9gPcqj6x5LJ1rmWuSySnL';

describe('peer ids', () => {
  it('are those of @libp2p/peer-id', () => {
    // Its text for the public key of RFC 8032 §7.1, test 1.
    const publicKey = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
    const text = '12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV';
    expect(peerIdOfEd25519(publicKey)).toBe(text);
    expect(parsePeerId(text)).toBe(text);
    expect(ed25519KeyOf(parsePeerId(text))).toEqual(publicKey);
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
