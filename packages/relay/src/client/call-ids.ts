import type { Random } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, equalBytes } from '@pulsemesh/wire';
import { idBytes } from '../inbox-id.ts';

/** Who speaks on a stream between two agents. */
export type CallSide = 'caller' | 'called';

const nonceBytes = idBytes / 2;
const ascii = new TextEncoder();
const nameLabel = ascii.encode('pulsemesh/relay/1 call name');
const messageLabel = ascii.encode('pulsemesh/relay/1 call message');

/**
 * The id of a call, sealed in its first message: 8 random bytes, then 8 of SHA-256(label ‖ those ‖ name). So a call is taken for
 * no other service than it was meant for, and no message of a mailbox for a call.
 */
export function newCallId(name: string, random: Random): Uint8Array {
  const nonce = random.bytes(nonceBytes);
  return concatBytes(nonce, nameTag(nonce, name));
}

/** True for the id of a call to the service of this name. */
export function isCallTo(callId: Uint8Array, name: string): boolean {
  return equalBytes(callId.subarray(nonceBytes), nameTag(callId.subarray(0, nonceBytes), name));
}

function nameTag(nonce: Uint8Array, name: string): Uint8Array {
  return sha256(concatBytes(nameLabel, nonce, ascii.encode(name))).subarray(0, idBytes - nonceBytes);
}

/** The id sealed in a side's message of this number, from 0: whoever passes messages on can drop, swap or repeat none unseen. */
export function idInCall(callId: Uint8Array, side: CallSide, number: number): Uint8Array {
  if (side === 'caller' && number === 0) return callId;
  const place = new Uint8Array(9);
  place[0] = side === 'caller' ? 0 : 1;
  new DataView(place.buffer).setFloat64(1, number);
  return sha256(concatBytes(messageLabel, callId, place)).subarray(0, idBytes);
}
