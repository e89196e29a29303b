import { DecodeError, decodeCbor, encodeCbor, type PeerId, parsePeerId } from '@pulsemesh/wire';
import { BadRequestError } from './errors.ts';
import { type RoleName, roleNames } from './port.ts';

/** What a peer says of itself. Who said it is known from the channel or the signature that brought it. */
export interface Announcement {
  readonly roles: readonly RoleName[];
  readonly addresses: readonly string[];
  readonly pid: number;
  readonly startedMs: number;
  /** A bootstrap that was elected because the others were gone. */
  readonly isSuccessor: boolean;
  readonly isLeaving: boolean;
}

/** What one peer tells of another: where to dial it. Hearsay makes nobody alive. */
export interface PeerHint {
  readonly id: PeerId;
  readonly addresses: readonly string[];
  /** Vouched for: an elected bootstrap, which no allow-list can know. */
  readonly isSuccessor: boolean;
}

/** What goes over a hello channel, one message a frame. */
export type HelloMessage =
  | { readonly kind: 'announcement'; readonly announcement: Announcement }
  | { readonly kind: 'beat' }
  | { readonly kind: 'peers'; readonly peers: readonly PeerHint[] };

/** Version of the messages; another one is refused, there is no older form to fall back to. */
const version = 1;
export const announcementLimits = {
  bytesMax: 64 * 1024,
  addressesMax: 16,
  addressLengthMax: 256,
  peersMax: 128,
} as const;

export function encodeHello(message: HelloMessage): Uint8Array {
  switch (message.kind) {
    case 'announcement': {
      const { roles, addresses, pid, startedMs, isSuccessor, isLeaving } = message.announcement;
      return encodeCbor([version, 0, roles, addresses, pid, startedMs, isSuccessor, isLeaving]);
    }
    case 'beat':
      return encodeCbor([version, 1]);
    case 'peers':
      return encodeCbor([version, 2, message.peers.map((peer) => [peer.id, peer.addresses, peer.isSuccessor])]);
  }
}

/**
 * Reads one message. Roles it does not know are left out: a newer peer may have more.
 * @throws {BadRequestError} for anything else that {@link encodeHello} cannot have written, and past the limits.
 */
export function parseHello(frame: Uint8Array): HelloMessage {
  try {
    const parts = list(decodeCbor(frame, { bytesMax: announcementLimits.bytesMax, depthMax: 6 }), 8);
    if (parts[0] !== version) throw new BadRequestError('a hello of another version');
    switch (parts[1]) {
      case 0:
        return { kind: 'announcement', announcement: parseAnnouncement(parts) };
      case 1:
        return { kind: 'beat' };
      case 2:
        return { kind: 'peers', peers: list(parts[2], announcementLimits.peersMax).map(parseHint) };
      default:
        throw new BadRequestError('not a hello');
    }
  } catch (error) {
    throw error instanceof DecodeError ? new BadRequestError('not a hello') : error;
  }
}

function parseAnnouncement(parts: readonly unknown[]): Announcement {
  const names = list(parts[2], 64);
  return {
    roles: roleNames.filter((role) => names.includes(role)),
    addresses: addressesOf(parts[3]),
    pid: count(parts[4]),
    startedMs: count(parts[5]),
    isSuccessor: parts[6] === true,
    isLeaving: parts[7] === true,
  };
}

function parseHint(value: unknown): PeerHint {
  const parts = list(value, 3);
  return { id: parsePeerId(text(parts[0])), addresses: addressesOf(parts[1]), isSuccessor: parts[2] === true };
}

function addressesOf(value: unknown): readonly string[] {
  return list(value, announcementLimits.addressesMax).map(text);
}

function list(value: unknown, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw new BadRequestError('not a short list');
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value.length > announcementLimits.addressLengthMax) {
    throw new BadRequestError('not a short text');
  }
  return value;
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new BadRequestError('not a count');
  return value;
}
