import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, equalBytes } from '@pulsemesh/wire';
import { nameLengthMax, type PartyLimits } from './limits.ts';

/** A piece of a message as it goes over the post, sealed by it: `[kind, run, scope, step, index, count, hash, bytes]` in CBOR. */
export interface Piece {
  readonly run: string;
  readonly scope: string;
  readonly step: string;
  /** From 0. */
  readonly index: number;
  readonly count: number;
  /** SHA-256 of the whole message. */
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Tells these messages from others that an agent gets. */
const kind = 'pulsemesh/party/1';
/** Names, numbers, hash and heads of a piece. */
const pieceHeadBytesMax = 512;

/** A message in pieces that the post takes. The bytes are not copied. */
export function piecesOf(
  place: Pick<Piece, 'run' | 'scope' | 'step'>,
  message: Uint8Array,
  limits: Pick<PartyLimits, 'pieceBytesMax'>,
): Piece[] {
  const hash = sha256(message);
  const count = Math.max(1, Math.ceil(message.length / limits.pieceBytesMax));
  return Array.from({ length: count }, (_, index) => ({
    ...place,
    index,
    count,
    hash,
    bytes: message.subarray(index * limits.pieceBytesMax, (index + 1) * limits.pieceBytesMax),
  }));
}

/** The message, or null when the pieces, in order, are not those of one whose hash is this. */
export function joinPieces(parts: readonly Uint8Array[], hash: Uint8Array): Uint8Array | null {
  const [only] = parts;
  const message = parts.length === 1 && only !== undefined ? only : concatBytes(...parts);
  return equalBytes(sha256(message), hash) ? message : null;
}

export function encodePiece({ run, scope, step, index, count, hash, bytes }: Piece): Uint8Array {
  return encodeCbor([kind, run, scope, step, index, count, hash, bytes]);
}

/** @throws {DecodeError} for anything else, pieces past the limits included. */
export function decodePiece(
  encoded: Uint8Array,
  limits: Pick<PartyLimits, 'pieceBytesMax' | 'messageBytesMax'>,
): Piece {
  const fields = decodeCbor(encoded, { bytesMax: limits.pieceBytesMax + pieceHeadBytesMax, depthMax: 1 });
  if (!Array.isArray(fields) || fields.length !== 8 || fields[0] !== kind) throw new DecodeError('not a piece');
  const [, run, scope, step, index, count, hash, bytes]: unknown[] = fields;
  if (!isName(run) || !isName(scope) || !isName(step)) throw new DecodeError('name');
  const countMax = Math.ceil(limits.messageBytesMax / limits.pieceBytesMax);
  if (!isWithin(count, 1, countMax) || !isWithin(index, 0, count - 1)) throw new DecodeError('piece number');
  if (!(hash instanceof Uint8Array) || hash.length !== 32 || !(bytes instanceof Uint8Array))
    throw new DecodeError('bytes');
  if (bytes.length > limits.pieceBytesMax) throw new DecodeError('piece longer than allowed');
  // All but the last are full: so a count says how long the message is at most.
  if (index < count - 1 && bytes.length !== limits.pieceBytesMax) throw new DecodeError('piece that is not full');
  return { run, scope, step, index, count, hash, bytes };
}

/** 1 … 64 of letters, digits and `. _ : / -`. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= nameLengthMax && /^[\w.:/-]+$/.test(value);
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
