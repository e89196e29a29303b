import { ContentTooLargeError, SealRefusedError } from './errors.ts';

const kibi = 1024;
const mebi = 1024 * kibi;

/** Limits of what is sealed. */
export const envelopeLimits = {
  /** Content of one envelope, or of one batch with the 1 to 9 bytes each of its messages adds. */
  contentBytesMax: 8 * mebi,
  /** Characters of a context. */
  contextLengthMax: 64,
  /** Keys of a recipient that are tried: the one in use and retired ones. */
  recipientKeysMax: 8,
} as const;

/**
 * What content is padded to, so that its length says little: these, then whole MiB. Steps of four where lengths tell most,
 * of two where padding costs most. At most 4 times the content (256 bytes for less than 64), from 64 KiB on at most twice.
 */
export const sizeClasses: readonly number[] = [
  256,
  kibi,
  4 * kibi,
  16 * kibi,
  64 * kibi,
  128 * kibi,
  256 * kibi,
  512 * kibi,
  mebi,
];

/**
 * The class of that many bytes.
 * @throws {ContentTooLargeError}
 */
export function sizeClassOf(bytes: number): number {
  if (bytes > envelopeLimits.contentBytesMax) {
    throw new ContentTooLargeError(bytes, envelopeLimits.contentBytesMax);
  }
  return sizeClasses.find((size) => bytes <= size) ?? Math.ceil(bytes / mebi) * mebi;
}

/** True for a length that {@link sizeClassOf} gives. */
export function isSizeClass(bytes: number): boolean {
  return bytes > 0 && bytes <= envelopeLimits.contentBytesMax && sizeClassOf(bytes) === bytes;
}

const lengthBytes = 4;

/** How much longer than its class padded content is. */
export const paddingOverheadBytes = lengthBytes;

/** Length (4 bytes, big-endian) ‖ content ‖ zeros: `paddedBytes` and {@link paddingOverheadBytes} long. */
export function pad(content: Uint8Array, paddedBytes: number): Uint8Array {
  const padded = new Uint8Array(lengthBytes + paddedBytes);
  new DataView(padded.buffer).setUint32(0, content.length);
  padded.set(content, lengthBytes);
  return padded;
}

/**
 * What {@link pad} was given (a view, not a copy).
 * @throws {SealRefusedError} where the length does not fit or the padding is not zeros.
 */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length < lengthBytes) throw new SealRefusedError('content');
  const end = lengthBytes + new DataView(padded.buffer, padded.byteOffset).getUint32(0);
  if (end > padded.length) throw new SealRefusedError('content');
  for (let index = end; index < padded.length; index += 1) {
    if (padded[index] !== 0) throw new SealRefusedError('content');
  }
  return padded.subarray(lengthBytes, end);
}
