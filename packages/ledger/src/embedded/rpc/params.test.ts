import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RpcRefusal } from '../errors.ts';
import { parseAddress, parseBlockRef, parseCall, parseData, parseFilter, parseHash, parseQuantity } from './params.ts';

const zero = `0x${'00'.repeat(20)}`;

it('reads what clients send', () => {
  expect(parseBlockRef(undefined)).toEqual({ kind: 'head' });
  expect(parseBlockRef('pending')).toEqual({ kind: 'next' });
  expect(parseBlockRef('0x10')).toEqual({ kind: 'number', number: 16 });
  expect(parseBlockRef({ blockHash: `0x${'01'.repeat(32)}` })).toMatchObject({ kind: 'hash' });
  expect(parseBlockRef({ blockNumber: 'latest' })).toEqual({ kind: 'head' });
  expect(parseCall({ to: zero, input: '0x01', data: '0x02' })).toMatchObject({
    data: Uint8Array.of(1),
    gas: null,
    value: 0n,
  });
  expect(parseFilter({ address: [], topics: [null, [`0x${'AB'.repeat(32)}`]] })).toMatchObject({
    addresses: null,
    topics: [null, ['ab'.repeat(32)]],
  });
});

it('refuses everything else, and never breaks', () => {
  const parsers = [parseAddress, parseHash, parseCall, parseFilter, parseBlockRef].map(
    (parse) => (value: unknown) => parse(value as never),
  );
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('0x', '0xg0', '0x0', 'latest', zero, '0x00'.padEnd(200, '1')),
    fc.string({ unit: fc.constantFrom('0', 'x', 'f', 'A') }),
  );
  const loose = fc.oneof(
    fc.anything(),
    text,
    fc.dictionary(
      fc.constantFrom('from', 'to', 'data', 'value', 'gas', 'address', 'topics', 'fromBlock', 'blockHash'),
      fc.oneof(text, fc.array(text), fc.anything()),
    ),
  );
  const all = [
    ...parsers,
    (value: unknown) => parseQuantity(value, 'q'),
    (value: unknown) => parseData(value, 'd', { bytesMax: 3 }),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...all), loose, (parse, value) => {
      try {
        parse(value);
      } catch (error) {
        expect(error).toBeInstanceOf(RpcRefusal);
      }
    }),
    { numRuns: 500 },
  );
});
