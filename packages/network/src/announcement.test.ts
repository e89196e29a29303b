import { encodeCbor, type PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { announcementLimits, encodeHello, type HelloMessage, parseHello } from './announcement.ts';
import { roleNames } from './port.ts';

const id = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' as PeerId;
const own = (over: object = {}): HelloMessage => ({
  kind: 'announcement',
  announcement: {
    roles: ['storage'],
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    pid: 7,
    startedMs: 1_700_000_000_000,
    isSuccessor: false,
    isLeaving: false,
    ...over,
  },
});

describe('a hello message', () => {
  it('is read as it was written', () => {
    const roles = fc.subarray([...roleNames]);
    const addresses = fc.array(fc.string({ maxLength: 50 }), { maxLength: announcementLimits.addressesMax });
    fc.assert(
      fc.property(
        roles,
        addresses,
        fc.boolean(),
        fc.boolean(),
        fc.nat(),
        (names, where, isSuccessor, isLeaving, pid) => {
          const message = own({ roles: names, addresses: where, isSuccessor, isLeaving, pid });
          expect(parseHello(encodeHello(message))).toEqual(message);
        },
      ),
    );
    const peers: HelloMessage = { kind: 'peers', peers: [{ id, addresses: ['/x'], isSuccessor: true }] };
    expect(parseHello(encodeHello(peers))).toEqual(peers);
    expect(parseHello(encodeHello({ kind: 'beat' }))).toEqual({ kind: 'beat' });
  });

  it('leaves out roles this version does not know', () => {
    const frame = encodeCbor([1, 0, ['storage', 'oracle'], [], 1, 1, false, false]);
    expect(parseHello(frame)).toMatchObject({ announcement: { roles: ['storage'] } });
  });

  it.each([
    ['another version', [2, 1]],
    ['an unknown kind', [1, 9]],
    [
      'too many addresses',
      [1, 0, [], Array.from({ length: announcementLimits.addressesMax + 1 }, () => 'x'), 1, 1, false, false],
    ],
    ['too long an address', [1, 0, [], ['x'.repeat(announcementLimits.addressLengthMax + 1)], 1, 1, false, false]],
    ['too many peers', [1, 2, Array.from({ length: announcementLimits.peersMax + 1 }, () => [id, [], false])]],
    ['a peer that is none', [1, 2, [['somebody', [], false]]]],
    ['a start that is no time', [1, 0, [], [], 1, -1, false, false]],
    ['too long a message', [1, 1, 'x'.repeat(announcementLimits.bytesMax)]],
  ])('is refused with %s', (_name, parts) => {
    expect(() => parseHello(encodeCbor(parts))).toThrow(expect.objectContaining({ code: 'bad-request' }));
  });

  it('is refused, whatever bytes come', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        try {
          parseHello(noise);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-request' });
        }
      }),
    );
  });
});
