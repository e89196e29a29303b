import { Condition, unreachable } from '@pulsemesh/base';
import { equalBytes, fromHex } from '@pulsemesh/wire';
import { z } from 'zod';
import { proofHashesMax, verifyConsistency, verifyInclusion } from '../merkle/verify.ts';
import { type Checkpoint, openCheckpoint } from '../notes/checkpoint.ts';
import { type NoteVerifier, parseVerifierKey } from '../notes/keys.ts';
import { noteLimits } from '../notes/note.ts';
import { parseReceipt, receiptLimits } from '../receipt/receipt.ts';

/**
 * Statements of a board that cannot all be true. Whoever has the board's key checks them; nobody needs to believe whoever brings them.
 * Notes are signed checkpoints and receipts tlog-proofs, as received; hashes are 64 lower-case hex digits.
 */
export type Evidence =
  /** Two checkpoints of one size with different roots. */
  | { readonly kind: 'split-view'; readonly first: string; readonly second: string }
  /**
   * Two checkpoints, and hashes that lead to the newer one's root over `otherRoot`, which is not the older one's: the newer tree begins
   * differently. What was rolled back and went on otherwise looks like this too.
   */
  | {
      readonly kind: 'rewritten';
      readonly older: string;
      readonly newer: string;
      readonly otherRoot: string;
      readonly proof: readonly string[];
    }
  /** One place of the log with two leaves: an entry that was withheld after its receipt was given. */
  | { readonly kind: 'two-leaves'; readonly first: LeafAtPlace; readonly second: LeafAtPlace };

/** A receipt and the hash of the leaf that it is of. */
export interface LeafAtPlace {
  readonly receipt: string;
  readonly leafHash: string;
}

/** What was brought as evidence shows nothing against this board. */
export class EvidenceRefusedError extends Condition {
  override readonly name = 'EvidenceRefusedError';
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super('evidence-refused', `this is no evidence: ${reason}`, { facts: { reason }, ...options });
  }
}

/** What evidence shows, once it is verified. */
export interface EvidenceVerdict {
  readonly kind: Evidence['kind'];
  readonly origin: string;
  /** Of the two checkpoints. */
  readonly sizes: readonly [number, number];
  /** Which index has two leaves. */
  readonly index: number | null;
  /** One sentence for people. */
  readonly text: string;
}

/**
 * Checks evidence with the board's key alone.
 * @throws {EvidenceRefusedError} where it does not show that the board contradicts itself.
 */
export function verifyEvidence(evidence: Evidence, board: NoteVerifier): EvidenceVerdict {
  try {
    return verdictOf(evidence, board);
  } catch (error) {
    if (error instanceof EvidenceRefusedError || !(error instanceof Condition)) throw error;
    throw new EvidenceRefusedError('a part of it is not signed by this board, or not readable', { cause: error });
  }
}

function verdictOf(evidence: Evidence, board: NoteVerifier): EvidenceVerdict {
  switch (evidence.kind) {
    case 'split-view': {
      const [first, second] = [headOf(evidence.first, board), headOf(evidence.second, board)];
      if (first.size !== second.size) throw new EvidenceRefusedError('the checkpoints are of different sizes');
      if (equalBytes(first.root, second.root)) throw new EvidenceRefusedError('the checkpoints say the same');
      const text = `the board signed two different logs of ${first.size} entries: it shows different people different things`;
      return { kind: 'split-view', origin: board.name, sizes: [first.size, second.size], index: null, text };
    }
    case 'rewritten':
      return rewrittenVerdict(evidence, board);
    case 'two-leaves':
      return twoLeavesVerdict(evidence, board);
    default:
      return unreachable(evidence);
  }
}

function rewrittenVerdict(
  evidence: Extract<Evidence, { readonly kind: 'rewritten' }>,
  board: NoteVerifier,
): EvidenceVerdict {
  const [older, newer] = [headOf(evidence.older, board), headOf(evidence.newer, board)];
  const otherRoot = fromHex(evidence.otherRoot, 32);
  const proof = evidence.proof.map((hash) => fromHex(hash, 32));
  if (equalBytes(older.root, otherRoot)) throw new EvidenceRefusedError('the newer checkpoint continues the older one');
  const joins = verifyConsistency({
    oldSize: older.size,
    oldRoot: otherRoot,
    newSize: newer.size,
    newRoot: newer.root,
    proof,
  });
  if (!joins || older.size === newer.size)
    throw new EvidenceRefusedError('its hashes do not lead to the newer checkpoint');
  const text = `the board signed a log of ${older.size} entries and later one of ${newer.size} that begins differently: it changed its history`;
  return { kind: 'rewritten', origin: board.name, sizes: [older.size, newer.size], index: null, text };
}

function twoLeavesVerdict(
  evidence: Extract<Evidence, { readonly kind: 'two-leaves' }>,
  board: NoteVerifier,
): EvidenceVerdict {
  const [first, second] = [placeOf(evidence.first, board), placeOf(evidence.second, board)];
  if (first.index !== second.index) throw new EvidenceRefusedError('the receipts are of different places');
  if (evidence.first.leafHash === evidence.second.leafHash) throw new EvidenceRefusedError('the leaves are the same');
  const text = `the board signed two different entries at place ${first.index}: it took back or swapped what it had given a receipt for`;
  return { kind: 'two-leaves', origin: board.name, sizes: [first.size, second.size], index: first.index, text };
}

function headOf(note: string, board: NoteVerifier): Checkpoint {
  const { checkpoint } = openCheckpoint(new TextEncoder().encode(note), [board]);
  if (checkpoint.origin !== board.name) throw new EvidenceRefusedError('a checkpoint is of another board');
  return checkpoint;
}

function placeOf({ receipt, leafHash }: LeafAtPlace, board: NoteVerifier): { index: number; size: number } {
  const { index, proof, checkpoint } = parseReceipt(new TextEncoder().encode(receipt));
  const { size, root } = headOf(new TextDecoder().decode(checkpoint), board);
  if (!verifyInclusion({ index, size, leafHash: fromHex(leafHash, 32), root, proof })) {
    throw new EvidenceRefusedError('a leaf is not where its receipt says');
  }
  return { index, size };
}

const note = z.string().max(noteLimits.bytesMax);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const leafAtPlace = z.strictObject({ receipt: z.string().max(receiptLimits.bytesMax), leafHash: hash });

const evidenceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('split-view'), first: note, second: note }),
  z.strictObject({
    kind: z.literal('rewritten'),
    older: note,
    newer: note,
    otherRoot: hash,
    proof: z.array(hash).max(proofHashesMax),
  }),
  z.strictObject({ kind: z.literal('two-leaves'), first: leafAtPlace, second: leafAtPlace }),
]);

const fileSchema = z.strictObject({
  format: z.literal('pulsemesh/board-evidence/1'),
  board: z.string().max(1_024),
  evidence: evidenceSchema,
});

/** Characters of an evidence file. */
export const evidenceCharactersMax = 1024 * 1024;

/** Evidence as a file (JSON), with the key of the board it is against in the form of C2SP signed-note. */
export function formatEvidence(evidence: Evidence, boardKey: string): string {
  return `${JSON.stringify({ format: 'pulsemesh/board-evidence/1', board: boardKey, evidence }, null, 2)}\n`;
}

/**
 * What an evidence file says, not verified. Whoever believes it has the board's key from elsewhere, not from the file.
 * @throws {EvidenceRefusedError}
 */
export function parseEvidence(text: string): { readonly board: NoteVerifier; readonly evidence: Evidence } {
  if (text.length > evidenceCharactersMax) throw new EvidenceRefusedError('the file is too long');
  try {
    const { board, evidence } = fileSchema.parse(JSON.parse(text));
    return { board: parseVerifierKey(board), evidence };
  } catch (error) {
    throw new EvidenceRefusedError('the file is not one of evidence', { cause: error });
  }
}
