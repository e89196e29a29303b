import { Condition } from '@pulsemesh/base';
import { type NoteVerifier, type VerifiedSignature, verifyNoteSignature } from './keys.ts';
import { parseNote } from './note.ts';

/** A note that must not be believed: no known key signed it, or a signature of a known key is wrong. */
export class NoteRefusedError extends Condition {
  override readonly name = 'NoteRefusedError';
  constructor(reason: 'unsigned' | 'signature-wrong') {
    super('board-note-refused', `the note is refused: ${reason}`, { facts: { reason } });
  }
}

/** A note whose text may be believed as far as its signers are. */
export interface OpenedNote {
  readonly text: string;
  /** Of each known key that signed, its first signature. */
  readonly signatures: readonly VerifiedSignature[];
}

/**
 * Opens a signed note for whoever knows `verifiers` (C2SP signed-note). Signatures of other keys are ignored; a wrong one of a known key
 * refuses the whole note.
 * @throws {MalformedError} · {NoteRefusedError}
 */
export function openNote(bytes: Uint8Array, verifiers: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = parseNote(bytes);
  const verified = new Map<NoteVerifier, VerifiedSignature>();
  for (const signature of signatures) {
    const verifier = verifiers.find(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
    if (verifier === undefined || verified.has(verifier)) continue;
    const found = verifyNoteSignature(text, signature, verifier);
    if (found === null) throw new NoteRefusedError('signature-wrong');
    verified.set(verifier, found);
  }
  if (verified.size === 0) throw new NoteRefusedError('unsigned');
  return { text, signatures: [...verified.values()] };
}
