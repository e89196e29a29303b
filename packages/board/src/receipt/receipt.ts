import { concatBytes } from '@pulsemesh/wire';
import { MalformedError } from '../errors.ts';
import { hashBytes, hashLeaf } from '../merkle/hash.ts';
import { proofHashesMax, verifyInclusion } from '../merkle/verify.ts';
import { fromBase64, toBase64 } from '../notes/base64.ts';
import { type OpenedCheckpoint, parseDecimal } from '../notes/checkpoint.ts';
import { noteLimits } from '../notes/note.ts';
import { ReceiptRefusedError } from './errors.ts';
import { type BoardPolicy, openCheckpointUnder } from './policy.ts';

/** Limits of a receipt's file. */
export const receiptLimits = {
  /** Bytes of the extra data. */
  extraBytesMax: 16 * 1024,
  /** The whole file: a note, the proof's lines, the extra data in base64. */
  bytesMax: noteLimits.bytesMax + 32 * 1024,
} as const;

/** A receipt's parts (C2SP tlog-proof), nothing of it verified. */
export interface ReceiptParts {
  /** The leaf's place in the log. */
  readonly index: number;
  /** From the leaf's sibling upwards, in the tree of the checkpoint's size. */
  readonly proof: readonly Uint8Array[];
  /** The signed note, as received. */
  readonly checkpoint: Uint8Array;
  /** What the maker wants to say besides; nobody vouches for it. */
  readonly extra?: Uint8Array;
}

const firstLine = 'c2sp.org/tlog-proof@v1';

/** The file of a receipt. */
export function formatReceipt({ index, proof, checkpoint, extra }: ReceiptParts): Uint8Array {
  const lines = [
    firstLine,
    ...(extra === undefined ? [] : [`extra ${toBase64(extra)}`]),
    `index ${index}`,
    ...proof.map(toBase64),
  ];
  return concatBytes(new TextEncoder().encode(`${lines.join('\n')}\n\n`), checkpoint);
}

/** @throws {MalformedError} for bytes that are no receipt, or beyond {@link receiptLimits}. */
export function parseReceipt(bytes: Uint8Array): ReceiptParts {
  if (bytes.length > receiptLimits.bytesMax) throw new MalformedError('receipt', 'too long');
  const border = borderOf(bytes);
  const head = asciiOf(bytes.subarray(0, border));
  const [first, ...lines] = head.split('\n');
  if (first !== firstLine) throw new MalformedError('receipt', 'another first line');
  const extra = lines[0]?.startsWith('extra ') ? extraOf(lines.shift() ?? '') : undefined;
  const indexLine = lines.shift() ?? '';
  const index = indexLine.startsWith('index ') ? parseDecimal(indexLine.slice(6)) : null;
  if (index === null) throw new MalformedError('receipt', 'no index');
  if (lines.length > proofHashesMax) throw new MalformedError('receipt', 'too long a proof');
  const proof = lines.map((line) => {
    const hash = fromBase64(line);
    if (hash?.length !== hashBytes) throw new MalformedError('receipt', 'a line that is no hash');
    return hash;
  });
  return { index, proof, checkpoint: bytes.slice(border + 2), ...(extra === undefined ? {} : { extra }) };
}

/** What a receipt proves: that the leaf stands at `index` of the log that the checkpoint is the head of. */
export interface VerifiedReceipt extends OpenedCheckpoint {
  readonly index: number;
  /** Nobody vouches for it. */
  readonly extra: Uint8Array | null;
}

/**
 * Verifies a receipt with nothing but the policy's keys, offline: the checkpoint is signed as the policy asks for and has the leaf in it.
 * @throws {MalformedError} · {NoteRefusedError} · {ReceiptRefusedError}
 */
export function verifyReceipt(receipt: Uint8Array, leaf: Uint8Array, policy: BoardPolicy): VerifiedReceipt {
  const { index, proof, checkpoint: note, extra } = parseReceipt(receipt);
  const opened = openCheckpointUnder(note, policy);
  const { size, root } = opened.checkpoint;
  if (!verifyInclusion({ index, size, leafHash: hashLeaf(leaf), root, proof }))
    throw new ReceiptRefusedError('not-included');
  return { ...opened, index, extra: extra ?? null };
}

/** Where the first empty line begins: its own line feed follows the one before it. */
function borderOf(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) if (bytes[at + 1] === 0x0a) return at;
  throw new MalformedError('receipt', 'no empty line before the checkpoint');
}

function asciiOf(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte > 0x7e)) throw new MalformedError('receipt', 'other characters');
  return new TextDecoder().decode(bytes);
}

function extraOf(line: string): Uint8Array {
  const extra = fromBase64(line.slice('extra '.length));
  if (extra === null || extra.length > receiptLimits.extraBytesMax) throw new MalformedError('receipt', 'extra data');
  return extra;
}
