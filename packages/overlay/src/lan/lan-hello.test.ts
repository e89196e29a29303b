import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSite, encodeHello, isOfSite, isSigned, readHello } from './lan-hello.ts';
import { lanLimits } from './lan-parameters.ts';

const random = createSeededRandom(1);
const signer = createSigner(random.bytes(32));
const said = { port: 65_535, nonce: random.bytes(8), expiresAtSeconds: 1_790_000_000, capabilities: 1 };
const site = createSite(random.bytes(32));

describe('a hello', () => {
  it('fits its limit with room to spare, and reads as it was written', () => {
    const bytes = encodeHello({ ...said, expiresAtSeconds: 2 ** 40, capabilities: 255 }, signer, site);
    expect(bytes.length).toBeLessThanOrEqual(lanLimits.helloBytesMax - 40);
    const hello = readHello(encodeHello(said, signer, undefined));
    expect(hello).toMatchObject({ ...said, publicKey: signer.publicKey, tag: new Uint8Array(8) });
    expect(hello !== null && isSigned(hello)).toBe(true);
  });

  it('of a site is known to its members only, and cannot be given another content by who heard it', () => {
    const hello = readHello(encodeHello(said, signer, site));
    if (hello === null) throw new Error('it is one');
    expect(isOfSite(hello, site)).toBe(true);
    expect(isOfSite(hello, undefined)).toBe(false);
    expect(isOfSite(hello, createSite(random.bytes(32)))).toBe(false);
    expect(isOfSite({ ...hello, port: 1 }, site)).toBe(false);
    const open = readHello(encodeHello(said, signer, undefined));
    expect(open !== null && isOfSite(open, undefined)).toBe(true);
    expect(open !== null && isOfSite(open, site)).toBe(false);
  });

  it('is refused when a bit of it is changed', () => {
    const bytes = encodeHello(said, signer, undefined);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length * 8 - 1 }), (bit) => {
        const changed = bytes.slice();
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        const hello = readHello(changed);
        return hello === null || !isSigned(hello) || !isOfSite(hello, undefined);
      }),
    );
  });

  it('is not read from anything else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => readHello(bytes) === null));
    const good = [1, new Uint8Array(8), new Uint8Array(32), 1, new Uint8Array(8), 1, 0];
    const withOne = (at: number, value: unknown) =>
      readHello(Buffer.concat([encodeCbor(good.with(at, value as number)), new Uint8Array(64)]));
    expect(withOne(0, 1)).not.toBeNull();
    for (const [at, value] of [
      [0, 2],
      [1, new Uint8Array(7)],
      [2, new Uint8Array(31)],
      [3, 0],
      [3, 65_536],
      [4, 'nonce'],
      [5, -1],
      [6, 1.5],
    ] as const) {
      expect(withOne(at, value)).toBeNull();
    }
  });
});
