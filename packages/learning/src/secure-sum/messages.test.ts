import { encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Step } from '../party/party.ts';
import {
  type Advertisement,
  advertiseStep,
  deliveryStep,
  keysStep,
  maskedStep,
  revealStep,
  sharesStep,
  signAdvertisement,
} from './messages.ts';
import { secureSumLimits } from './settings.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const place = fc.nat({ max: secureSumLimits.sitesMax - 1 });
const ascending = <Item extends { readonly site: number }>(item: fc.Arbitrary<Item>) =>
  fc
    .uniqueArray(item, { maxLength: 20, selector: ({ site }) => site })
    .map((items) => [...items].sort((one, other) => one.site - other.site));
const advertisement: fc.Arbitrary<Advertisement> = fc
  .record({ site: place, sealingKey: bytes(32), maskKey: bytes(32), seedHash: bytes(32), signature: bytes(64) })
  .map(({ signature, ...keys }) => signAdvertisement(keys, new Uint8Array(32), () => signature));
const run = bytes(16);
const sealed = fc.record({ run, shares: ascending(fc.record({ site: place, sealed: bytes(81) })) });
const revealed = ascending(fc.record({ site: place, share: bytes(33) }));
const messages: readonly { readonly step: Step<never>; readonly any: fc.Arbitrary<never> }[] = [
  { step: advertiseStep, any: advertisement },
  { step: keysStep, any: fc.record({ advertisements: ascending(advertisement) }) },
  { step: sharesStep, any: sealed },
  { step: deliveryStep, any: sealed },
  { step: maskedStep, any: fc.record({ run, words: fc.uint32Array({ maxLength: 40 }) }) },
  { step: revealStep, any: fc.record({ run, seeds: revealed, keys: revealed }) },
] as never; // each pair fits, which the type of a list of pairs cannot say

describe.each(messages)('a message of the step $step.name', ({ step, any }) => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(any, (message) => {
        expect(step.decode(step.encode(message))).toEqual(message);
      }),
      { numRuns: 40 },
    );
  });

  it('is refused when it is cut, longer, or something else', () => {
    fc.assert(
      fc.property(any, fc.nat(), fc.uint8Array({ maxLength: 60 }), (message, at, other) => {
        const encoded = step.encode(message);
        expect(() => step.decode(encoded.subarray(0, at % encoded.length))).toThrow();
        expect(() => step.decode(Uint8Array.from([...encoded, 0]))).toThrow();
        if (!(step.name === 'keys' && other[0] === 0x80)) expect(() => step.decode(other)).toThrow();
      }),
      { numRuns: 40 },
    );
  });
});

describe('a message', () => {
  const tag = new Uint8Array(16);
  const share = (site: unknown, length = 81) => [site, new Uint8Array(length)];

  it.each<readonly [string, Step<never> | Step<unknown>, unknown]>([
    ['with a share of another size', sharesStep, [tag, [share(1, 80)]]],
    ['with shares out of order', sharesStep, [tag, [share(2), share(1)]]],
    ['with two shares of one site', deliveryStep, [tag, [share(1), share(1)]]],
    ['with a place past the last', sharesStep, [tag, [share(secureSumLimits.sitesMax)]]],
    ['with a place that is no whole number', sharesStep, [tag, [share(0.5)]]],
    ['with a negative place', revealStep, [tag, [share(-1, 33)], []]],
    ['with more shares than holders', sharesStep, [tag, Array.from({ length: 256 }, (_, site) => share(site))]],
    ['with a revealed share of another size', revealStep, [tag, [share(1, 32)], []]],
    ['with the tag of a run of another size', maskedStep, [new Uint8Array(15), new Uint8Array(4)]],
    ['with a part of a word', maskedStep, [tag, new Uint8Array(6)]],
    ['longer than the longest vector', maskedStep, [tag, new Uint8Array(4 * secureSumLimits.vectorLengthMax + 64)]],
    ['with text for bytes', maskedStep, [tag, 'text']],
    ['with a part too many', revealStep, [tag, [], [], []]],
    ['that is a map', revealStep, { run: tag }],
    ['with more keys than sites', keysStep, Array.from({ length: secureSumLimits.sitesMax + 1 }, () => 0)],
  ])('%s is refused', (_, step, value) => {
    expect(() => step.decode(encodeCbor(value))).toThrow();
  });
});
