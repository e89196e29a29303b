import type { Clock } from '@pulsemesh/base';
import { hybridPublicKeyBytes } from '@pulsemesh/crypto';
import { ed25519KeyOf, equalBytes, type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { cardLimits, statementHash } from './card.ts';
import { DeviceListError, StatementRefusedError } from './errors.ts';
import { bytesOf, integerOf, listOf, mapOf, optional, secondsOf, textOf, timeOf } from './fields.ts';
import type { Identity } from './identity.ts';
import { isSignedBy, type Signatory, signFields, splitSigned } from './signed.ts';

const requestKind = 'pulsemesh/device-request/1';
const listKind = 'pulsemesh/devices/1';
const version = 1;

/** Limits of device lists; past each a change is refused, and a list of others too. */
export const deviceLimits = {
  devicesMax: 16,
  /** Removed devices stay named for ever, so that none comes back. */
  removedMax: 64,
  requestBytesMax: 2_048,
  listBytesMax: 40_960,
} as const;

/** One device of a person: its own key, and how to seal to it. Fits as the recipient of an envelope. */
export interface Device {
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  /** Whose device it asks to be. */
  readonly person: PeerId;
  /** What its owner calls it. */
  readonly name: string | null;
  readonly sealingEpoch: number;
  /** X25519, 32 bytes. */
  readonly sealingKey: Uint8Array;
  /** X-Wing, 1,216 bytes. */
  readonly hybridKey?: Uint8Array;
  readonly createdMs: number;
  /** The request, signed by the device. */
  readonly bytes: Uint8Array;
}

/** The devices of a person as of one version, signed by the person's key. */
export interface DeviceList {
  readonly person: PeerId;
  /** 1 for the first, each next one greater by 1. */
  readonly version: number;
  /** SHA-256 of the list before; null for the first. */
  readonly previous: Uint8Array | null;
  readonly issuedMs: number;
  readonly devices: readonly Device[];
  readonly removed: readonly { readonly peerId: PeerId; readonly atMs: number }[];
  /** As signed. */
  readonly bytes: Uint8Array;
}

/** A device's request to be one of `person`'s, with its sealing key in use. Again after that was rotated. */
export function requestDevice(
  device: Pick<Identity, 'publicKey' | 'sign' | 'sealing'>,
  facts: { readonly person: PeerId; readonly name?: string | null },
  dependencies: { readonly clock: Clock },
): Uint8Array {
  const { sealing } = device;
  const fields = {
    v: version,
    person: keyOf(facts.person),
    key: device.publicKey,
    name: facts.name ?? null,
    sealing: [sealing.epoch, sealing.publicKey, sealing.hybrid.publicKey],
    created: secondsOf(dependencies.clock.now()),
  };
  return signFields(requestKind, fields, [device]);
}

/** What a device's request says, its signature checked. @throws {StatementRefusedError} */
export function parseDeviceRequest(bytes: Uint8Array): Device {
  const { signed, device } = StatementRefusedError.reading('device-request', () => {
    const parts = splitSigned(bytes, { bytesMax: deviceLimits.requestBytesMax, count: 1 });
    return { signed: parts, device: readRequest(parts.body, new Uint8Array(bytes)) };
  });
  if (!isSignedBy(requestKind, signed, 0, device.publicKey))
    throw new StatementRefusedError('device-request', 'statement-signature');
  return device;
}

/** What changes from one device list to the next. */
export interface DeviceChanges {
  /** Requests of devices; one of a device that is there already replaces its sealing key or name. */
  readonly add?: readonly Device[];
  readonly remove?: readonly PeerId[];
}

/**
 * The next device list of a person (`previous` null: the first). Give it to the others, and its hash to the person's card: until then
 * nothing is removed for anybody.
 * @throws {DeviceListError}
 */
export function createDeviceList(
  person: Signatory,
  previous: DeviceList | null,
  changes: DeviceChanges,
  dependencies: { readonly clock: Clock },
): DeviceList {
  const peerId = peerIdOfEd25519(person.publicKey);
  const nowSeconds = secondsOf(dependencies.clock.now());
  const removed = [...(previous?.removed ?? [])];
  const devices = new Map((previous?.devices ?? []).map((device) => [device.peerId, device]));
  for (const gone of changes.remove ?? []) {
    if (!devices.delete(gone)) throw new DeviceListError('device-unknown');
    removed.push({ peerId: gone, atMs: nowSeconds * 1000 });
  }
  for (const device of changes.add ?? []) {
    if (device.person !== peerId) throw new DeviceListError('device-other-person');
    if (removed.some((one) => one.peerId === device.peerId)) throw new DeviceListError('device-removed');
    const known = devices.get(device.peerId);
    if (known !== undefined && known.createdMs >= device.createdMs) throw new DeviceListError('device-known');
    devices.set(device.peerId, device);
  }
  if (devices.size > deviceLimits.devicesMax) throw new DeviceListError('device-list-full');
  if (removed.length > deviceLimits.removedMax) throw new DeviceListError('device-list-used-up');
  const fields = {
    v: version,
    person: person.publicKey,
    version: (previous?.version ?? 0) + 1,
    previous: previous === null ? null : statementHash(previous.bytes),
    issued: nowSeconds,
    devices: [...devices.values()].map((device) => device.bytes),
    removed: removed.map((one) => [keyOf(one.peerId), secondsOf(one.atMs)]),
  };
  return verifyDeviceList(signFields(listKind, fields, [person]), { person: peerId, known: previous });
}

/**
 * A device list of `person`, checked against the last one that was taken (`known`; keep its bytes: whoever forgets can be given an
 * old list again). Lists are taken one after the other; where some were missed, get those first.
 * @throws {StatementRefusedError} `statement-malformed`, `-signature` (also a list that a device signed), `-other-person`, `-older`,
 * `-conflict` (two lists of one version: keep both, they are evidence), `-chain` (does not follow `known`), `-removed-device`.
 */
export function verifyDeviceList(
  bytes: Uint8Array,
  expected: { readonly person: PeerId; readonly known: DeviceList | null },
): DeviceList {
  const { signed, list } = StatementRefusedError.reading('device-list', () => {
    const parts = splitSigned(bytes, { bytesMax: deviceLimits.listBytesMax, count: 1 });
    return { signed: parts, list: readList(parts.body, new Uint8Array(bytes)) };
  });
  if (list.person !== expected.person) throw new StatementRefusedError('device-list', 'statement-other-person');
  if (!isSignedBy(listKind, signed, 0, keyOf(list.person)))
    throw new StatementRefusedError('device-list', 'statement-signature');
  if (expected.known !== null) assertFollows(list, expected.known);
  return list;
}

/** True when `peer` is one of the person's devices by this list. */
export function hasDevice(list: DeviceList, peer: PeerId): boolean {
  return list.devices.some((device) => device.peerId === peer);
}

function assertFollows(list: DeviceList, known: DeviceList): void {
  const refuse = (code: 'statement-older' | 'statement-conflict' | 'statement-chain' | 'statement-removed-device') => {
    throw new StatementRefusedError('device-list', code);
  };
  if (list.person !== known.person) throw new StatementRefusedError('device-list', 'statement-other-person');
  if (list.version < known.version) refuse('statement-older');
  if (list.version === known.version) {
    if (!equalBytes(list.bytes, known.bytes)) refuse('statement-conflict');
    return;
  }
  const isNext = list.version === known.version + 1 && list.previous !== null;
  if (!isNext || !equalBytes(list.previous as Uint8Array, statementHash(known.bytes))) refuse('statement-chain');
  const gone = new Set(list.removed.map((one) => one.peerId));
  if (!known.removed.every((one) => gone.has(one.peerId))) refuse('statement-removed-device');
  // Nobody vanishes without being named as removed.
  if (!known.devices.every((device) => gone.has(device.peerId) || hasDevice(list, device.peerId)))
    refuse('statement-chain');
}

function readRequest(body: Uint8Array, bytes: Uint8Array): Device {
  const keys = ['v', 'person', 'key', 'name', 'sealing', 'created'];
  const map = mapOf(body, keys, { bytesMax: deviceLimits.requestBytesMax, depthMax: 2 });
  integerOf(map['v'], version, version);
  const publicKey = bytesOf(map['key'], 32);
  const [epoch, sealingKey, hybridKey] = listOf(map['sealing'], 3, 3);
  const hybrid = optional(hybridKey, (value) => bytesOf(value, hybridPublicKeyBytes));
  return {
    peerId: peerIdOfEd25519(publicKey),
    publicKey,
    person: peerIdOfEd25519(bytesOf(map['person'], 32)),
    name: optional(map['name'], (value) => textOf(value, cardLimits.nameCharactersMax)),
    sealingEpoch: integerOf(epoch, 1),
    sealingKey: bytesOf(sealingKey, 32),
    ...(hybrid === null ? {} : { hybridKey: hybrid }),
    createdMs: timeOf(map['created']),
    bytes,
  };
}

function readList(body: Uint8Array, bytes: Uint8Array): DeviceList {
  const keys = ['v', 'person', 'version', 'previous', 'issued', 'devices', 'removed'];
  const map = mapOf(body, keys, { bytesMax: deviceLimits.listBytesMax, depthMax: 3 });
  integerOf(map['v'], version, version);
  const person = peerIdOfEd25519(bytesOf(map['person'], 32));
  const listVersion = integerOf(map['version'], 1);
  const previous = optional(map['previous'], (value) => bytesOf(value, 32));
  if ((previous === null) !== (listVersion === 1)) throw new TypeError('previous');
  const devices = listOf(map['devices'], 0, deviceLimits.devicesMax).map((entry) => {
    if (!(entry instanceof Uint8Array)) throw new TypeError('device');
    const device = parseDeviceRequest(entry);
    if (device.person !== person) throw new TypeError('device of another person');
    return device;
  });
  const removed = listOf(map['removed'], 0, deviceLimits.removedMax).map((row) => {
    const [key, at] = listOf(row, 2, 2);
    return { peerId: peerIdOfEd25519(bytesOf(key, 32)), atMs: timeOf(at) };
  });
  const named = [...devices, ...removed].map((one) => one.peerId);
  if (new Set(named).size !== named.length) throw new TypeError('a device twice, or removed and there');
  return { person, version: listVersion, previous, issuedMs: timeOf(map['issued']), devices, removed, bytes };
}

/** Of ids that were made from keys. */
function keyOf(peer: PeerId): Uint8Array {
  const key = ed25519KeyOf(peer);
  if (key === null) throw new DeviceListError('device-other-person'); // a legacy id names no key that could sign
  return key;
}
