import { type BoardLog, cosignText, formatNote, formatReceipt, parseNote } from '@pulsemesh/board/server';
import { type BoardPolicy, createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { createSigner } from '@pulsemesh/crypto';
import { boardOrigin, boardSigner } from './contenders.ts';

/** Receipts to verify, with the leaves they are about, and what they are verified under: the board's key and two witnesses. */
export interface ReceiptsToVerify {
  readonly policy: BoardPolicy;
  /** The policy's keys as text, for a page. */
  readonly keys: { readonly board: string; readonly witnesses: readonly string[] };
  readonly receipts: readonly { readonly receipt: Uint8Array; readonly leaf: Uint8Array }[];
}

/** Receipts of `count` leaves, spread over the log, under its checkpoint with two cosignatures. */
export function receiptsOf(log: BoardLog, count: number): ReceiptsToVerify {
  const { text, note, size } = log.checkpoint;
  const witnesses = [1, 2].map((number) => {
    const key = createSigner(new Uint8Array(32).fill(number).with(0, 9));
    const name = `witness${number}.bench`;
    const cosignature = cosignText(text, name, key, 1_700_000_000);
    return { cosignature, verifier: createNoteVerifier(name, key.publicKey, 'cosignature/v1') };
  });
  const cosignatures = witnesses.map(({ cosignature }) => cosignature);
  const checkpoint = formatNote({ text, signatures: [...parseNote(note).signatures, ...cosignatures] });
  const board = createNoteVerifier(boardOrigin, boardSigner.publicKey, 'ed25519');
  const verifiers = witnesses.map(({ verifier }) => verifier);
  const receipts = Array.from({ length: count }, (_, number) => {
    const index = Math.floor((number * size) / count);
    const [proof, leaf] = [log.proveInclusion(index, size), log.leaf(index)];
    if (proof === null || leaf === null) throw new Error('the log has every leaf below its size');
    return { receipt: formatReceipt({ index, proof, checkpoint }), leaf };
  });
  return {
    policy: { board, witnesses: verifiers, quorum: 2 },
    keys: { board: formatVerifierKey(board), witnesses: verifiers.map(formatVerifierKey) },
    receipts,
  };
}
