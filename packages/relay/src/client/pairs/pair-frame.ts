import { sha256 } from '@pulsemesh/crypto';
import { pairHintBytes } from '@pulsemesh/identity/envelope';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, fromHex, toHex } from '@pulsemesh/wire';
import { idBytes } from '../../inbox-id.ts';

// Envelopes begin with 1.
const frameVersion = 2;
const headBytes = 1 + pairHintBytes;

/** A batch of a pair session on its way through a relay: 2 ‖ hint ‖ batch. */
export interface PairFrame {
  /** Whose it is, for a reader that lost the session. */
  readonly hint: Uint8Array;
  readonly batch: Uint8Array;
}

/** How much longer than its batch a frame is. */
export const pairFrameOverheadBytes: number = headBytes;

export function encodePairFrame({ hint, batch }: PairFrame): Uint8Array {
  return concatBytes(Uint8Array.of(frameVersion), hint, batch);
}

/** The frame, or null where it is none: an envelope. */
export function parsePairFrame(envelope: Uint8Array): PairFrame | null {
  if (envelope[0] !== frameVersion || envelope.length <= headBytes) return null;
  return { hint: envelope.subarray(1, headBytes), batch: envelope.subarray(headBytes) };
}

/** What two clients say to each other in an envelope of kind `control`. */
export type PairControl =
  /** A session is there for the other to write in. */
  | { readonly kind: 'begin'; readonly handshake: Uint8Array }
  /** A batch of this session does not open: what is not delivered is to be sent again, in envelopes. */
  | { readonly kind: 'lost'; readonly session: string };

const controlBytesMax = 16 * 1024;

export function encodeControl(control: PairControl): Uint8Array {
  if (control.kind === 'begin') return encodeCbor([control.kind, control.handshake]);
  return encodeCbor([control.kind, fromHex(control.session, idBytes)]);
}

/** @throws {DecodeError} */
export function parseControl(bytes: Uint8Array): PairControl {
  const fields = decodeCbor(bytes, { bytesMax: controlBytesMax, depthMax: 1 });
  const [kind, value] = Array.isArray(fields) && fields.length === 2 ? (fields as unknown[]) : [];
  if (kind === 'begin' && value instanceof Uint8Array) return { kind, handshake: value };
  if (kind === 'lost' && value instanceof Uint8Array && value.length === idBytes)
    return { kind, session: toHex(value) };
  throw new DecodeError('no control of pair sessions');
}

const againLabel = new TextEncoder().encode('pulsemesh/relay/1 again');

/** The id under which a message goes again, the same whenever that is tried: a relay takes no id twice. */
export function againIdOf(messageId: string, session: string): Uint8Array {
  const of = concatBytes(againLabel, fromHex(session, idBytes), fromHex(messageId, idBytes));
  return sha256(of).slice(0, idBytes);
}
