// What a page needs to check a board itself, with keys alone; it imports nothing of Node.
export { MalformedError } from './errors.ts';
export { emptyRoot, hashLeaf, hashNode } from './merkle/hash.ts';
export { LeafTree } from './merkle/leaf-tree.ts';
export { type ConsistencyClaim, type InclusionClaim, verifyConsistency, verifyInclusion } from './merkle/verify.ts';
export { type Checkpoint, type OpenedCheckpoint, openCheckpoint } from './notes/checkpoint.ts';
export {
  createNoteVerifier,
  formatVerifierKey,
  type NoteAlgorithm,
  type NoteVerifier,
  parseVerifierKey,
  type VerifiedSignature,
} from './notes/keys.ts';
export { NoteRefusedError } from './notes/open.ts';
export { type ReceiptRefusal, ReceiptRefusedError } from './receipt/errors.ts';
export { assertPolicy, type BoardPolicy, openCheckpointUnder } from './receipt/policy.ts';
export { parseReceipt, type ReceiptParts, type VerifiedReceipt, verifyReceipt } from './receipt/receipt.ts';
export { decodeBundle } from './tiles/bundle.ts';
export { parseTilePath, type TileName, tilePath, tileWidth, tileWidthAt } from './tiles/path.ts';
