import { VirtualClock } from '@pulsemesh/base/testing';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { statementHash } from './card.ts';
import {
  createDeviceList,
  type DeviceList,
  deviceLimits,
  hasDevice,
  parseDeviceRequest,
  requestDevice,
  verifyDeviceList,
} from './devices.ts';
import { DeviceListError, StatementRefusedError } from './errors.ts';
import { type Identity, identityOfSeed } from './identity.ts';
import { signFields } from './signed.ts';

const clock = new VirtualClock(1_700_000_000_000);
const identity = (number: number) => identityOfSeed(new Uint8Array(32).fill(number));
const [person, phone, laptop, watch, mallory] = [1, 2, 3, 4, 5].map(identity) as [
  Identity,
  Identity,
  Identity,
  Identity,
  Identity,
];
const ask = (device: Identity, of = person) =>
  parseDeviceRequest(requestDevice(device, { person: of.peerId, name: 'mine' }, { clock }));
const change = (previous: DeviceList | null, add: Identity[], remove: Identity[] = []) =>
  createDeviceList(
    person,
    previous,
    { add: add.map((one) => ask(one)), remove: remove.map((one) => one.peerId) },
    { clock },
  );
const verify = (list: DeviceList, known: DeviceList | null) =>
  verifyDeviceList(list.bytes, { person: person.peerId, known });

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof StatementRefusedError || error instanceof DeviceListError) return error.code;
    throw error;
  }
  return 'taken';
}

/** The list with other fields, signed again. */
function resigned(list: DeviceList, changes: Record<string, unknown>, by: Identity = person): Uint8Array {
  const [body] = decodeCbor(list.bytes) as [Uint8Array];
  return signFields('pulsemesh/devices/1', { ...(decodeCbor(body) as object), ...changes }, [by]);
}

const first = change(null, [phone, laptop]);
const second = change(first, [watch], [laptop]);
const third = change(second, [], [watch]);

describe('a device list', () => {
  it('says which devices are a person’s, each with its own keys', () => {
    const list = verify(first, null);
    expect(list.devices.map((device) => device.peerId)).toEqual([phone.peerId, laptop.peerId]);
    expect(list.devices[0]).toMatchObject({ sealingKey: phone.sealing.publicKey, name: 'mine' });
    expect(list.devices[0]?.hybridKey).toEqual(phone.sealing.hybrid.publicKey);
  });

  it('removes a device for whoever takes the next list, and for ever', () => {
    const list = verify(second, verify(first, null));
    expect(hasDevice(list, laptop.peerId)).toBe(false);
    expect(hasDevice(list, watch.peerId)).toBe(true);
    expect(codeOf(() => change(second, [laptop]))).toBe('device-removed');
    const revived = resigned(third, { removed: [], devices: [ask(laptop).bytes, ask(phone).bytes] });
    expect(codeOf(() => verifyDeviceList(revived, { person: person.peerId, known: second }))).toBe(
      'statement-removed-device',
    );
  });

  it('is refused when it is older than the one that is known: a removal cannot be replayed away', () => {
    expect(codeOf(() => verify(first, second))).toBe('statement-older');
    expect(codeOf(() => verify(second, second))).toBe('taken');
  });

  it('is refused when it does not follow the one that is known', () => {
    expect(codeOf(() => verify(third, first))).toBe('statement-chain');
    expect(codeOf(() => verify(third, second))).toBe('taken');
    const fork = change(first, [], [phone]);
    expect(codeOf(() => verify(fork, second))).toBe('statement-conflict');
    const after = createDeviceList(person, fork, {}, { clock });
    expect(codeOf(() => verify(after, second))).toBe('statement-chain');
  });

  it('is refused when a device vanished from it without being named as removed', () => {
    const silent = resigned(second, { removed: [], devices: [ask(watch).bytes] });
    expect(codeOf(() => verifyDeviceList(silent, { person: person.peerId, known: first }))).toBe('statement-chain');
  });

  it('cannot be written by a device: neither to add itself nor another', () => {
    const own = resigned(first, { devices: [ask(mallory).bytes] }, mallory);
    expect(codeOf(() => verifyDeviceList(own, { person: person.peerId, known: null }))).toBe('statement-signature');
    const byMember = resigned(second, {}, phone);
    expect(codeOf(() => verifyDeviceList(byMember, { person: person.peerId, known: first }))).toBe(
      'statement-signature',
    );
    const ofMallory = createDeviceList(mallory, null, { add: [ask(phone, mallory)] }, { clock });
    expect(codeOf(() => verify(ofMallory, null))).toBe('statement-other-person');
  });

  it('cannot claim a device that did not ask for it', () => {
    expect(codeOf(() => createDeviceList(person, null, { add: [ask(phone, mallory)] }, { clock }))).toBe(
      'device-other-person',
    );
    const forged = signFields(
      'pulsemesh/device-request/1',
      decodeCbor((decodeCbor(ask(phone).bytes) as [Uint8Array])[0]),
      [mallory],
    );
    expect(codeOf(() => parseDeviceRequest(forged))).toBe('statement-signature');
    const list = resigned(first, { devices: [forged] });
    expect(codeOf(() => verifyDeviceList(list, { person: person.peerId, known: null }))).toMatch(/^statement-/);
  });

  it('takes a newer sealing key of a device that is there, and no older one', async () => {
    const stale = ask(phone);
    expect(codeOf(() => createDeviceList(person, first, { add: [stale] }, { clock }))).toBe('device-known');
    await clock.advance(2_000);
    const list = createDeviceList(person, first, { add: [ask(phone)] }, { clock });
    expect(list.devices).toHaveLength(2);
    expect(verify(list, first).devices.find((device) => device.peerId === phone.peerId)?.createdMs).toBe(
      1_700_000_002_000,
    );
  });

  it('has room for so many devices, and remembers so many removed ones', () => {
    const many = Array.from({ length: deviceLimits.devicesMax }, (_, index) => identity(100 + index));
    const full = change(null, many);
    expect(full.bytes.length).toBeLessThanOrEqual(deviceLimits.listBytesMax);
    expect(codeOf(() => change(full, [phone]))).toBe('device-list-full');
    const removed = Array.from({ length: deviceLimits.removedMax }, (_, index) => [
      statementHash(Uint8Array.of(index)),
      1,
    ]);
    const worn = verifyDeviceList(resigned(full, { removed }), { person: person.peerId, known: null });
    expect(codeOf(() => change(worn, [], [many[0] as Identity]))).toBe('device-list-used-up');
    expect(codeOf(() => change(first, [], [watch]))).toBe('device-unknown');
  });

  it('answers any bytes with a list or a refusal', () => {
    const parse = (bytes: Uint8Array) => codeOf(() => verifyDeviceList(bytes, { person: person.peerId, known: null }));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void expect(parse(bytes)).toMatch(/^statement-/)),
    );
    fc.assert(
      fc.property(fc.nat({ max: first.bytes.length * 8 - 1 }), (bit) => {
        const flipped = first.bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(parse(flipped)).toMatch(/^statement-/);
      }),
    );
    expect(parse(encodeCbor([new Uint8Array(deviceLimits.listBytesMax), new Uint8Array(64)]))).toBe(
      'statement-malformed',
    );
  });
});
