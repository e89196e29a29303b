import { assert } from '@pulsemesh/base';
import { equalBytes } from '@pulsemesh/wire';
import { type OpenedCheckpoint, openCheckpoint } from '../notes/checkpoint.ts';
import type { NoteVerifier } from '../notes/keys.ts';
import { ReceiptRefusedError } from './errors.ts';

/** Whom a checkpoint must be signed by to be believed. */
export interface BoardPolicy {
  /** The board's key; its name is the checkpoint's origin. */
  readonly board: NoteVerifier;
  /** Witnesses, each of algorithm `cosignature/v1` and with a key of its own; at most {@link witnessesMax}. */
  readonly witnesses: readonly NoteVerifier[];
  /** How many of them must have cosigned; 0: none need. */
  readonly quorum: number;
}

/** Witnesses of a policy. */
export const witnessesMax = 32;

/** Throws an AssertionError where a policy makes no sense: one key under two names would be counted as two witnesses. */
export function assertPolicy({ board, witnesses, quorum }: BoardPolicy): void {
  assert(board.algorithm === 'ed25519', 'the board signs checkpoints as notes');
  assert(Number.isInteger(quorum) && quorum >= 0 && quorum <= witnesses.length, 'a quorum that can be reached');
  assert(witnesses.length <= witnessesMax, 'at most 32 witnesses');
  for (const [place, { algorithm, publicKey }] of witnesses.entries()) {
    assert(algorithm === 'cosignature/v1', 'witnesses cosign');
    const others = [board, ...witnesses.slice(0, place)];
    assert(!others.some((other) => equalBytes(other.publicKey, publicKey)), 'every witness has a key of its own');
  }
}

/**
 * Opens a checkpoint that the policy believes: of the board's origin, signed by it, and cosigned by the quorum.
 * @throws {MalformedError} · {NoteRefusedError} · {ReceiptRefusedError} `other-board`, `board-unsigned`, `quorum`.
 */
export function openCheckpointUnder(note: Uint8Array, policy: BoardPolicy): OpenedCheckpoint {
  const opened = openCheckpoint(note, [policy.board, ...policy.witnesses]);
  if (opened.checkpoint.origin !== policy.board.name) throw new ReceiptRefusedError('other-board');
  if (!opened.signatures.some(({ verifier }) => verifier === policy.board))
    throw new ReceiptRefusedError('board-unsigned');
  const cosigned = opened.signatures.filter(({ verifier }) => verifier !== policy.board).length;
  if (cosigned < policy.quorum) throw new ReceiptRefusedError('quorum');
  return opened;
}
