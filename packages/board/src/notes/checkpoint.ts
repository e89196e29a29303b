import { assert } from '@pulsemesh/base';
import { MalformedError } from '../errors.ts';
import { hashBytes } from '../merkle/hash.ts';
import { fromBase64, toBase64 } from './base64.ts';
import type { NoteVerifier, VerifiedSignature } from './keys.ts';
import { openNote } from './open.ts';

/** The head of a log (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Names the log. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Further lines, which mean nothing to whoever does not know them. Ours have none. */
  readonly extensions: readonly string[];
}

/** Extension lines of a checkpoint. */
export const checkpointExtensionsMax = 16;

/** A checkpoint as the text of a note. */
export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const lines = [origin, String(size), toBase64(root), ...extensions];
  assert(
    lines.every((line) => line.length > 0 && !line.includes('\n')) && Number.isSafeInteger(size) && size >= 0,
    'the lines of a checkpoint are not empty, and its size is a number of leaves',
  );
  return `${lines.join('\n')}\n`;
}

/** @throws {MalformedError} for a text that is no checkpoint. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.endsWith('\n')
    ? text.slice(0, -1).split('\n')
    : [];
  const size = parseDecimal(sizeText);
  const root = fromBase64(rootText);
  if (origin === '' || size === null || root?.length !== hashBytes)
    throw new MalformedError('checkpoint', 'not an origin, a size and a root');
  if (extensions.length > checkpointExtensionsMax || extensions.includes(''))
    throw new MalformedError('checkpoint', 'extension lines');
  return { origin, size, root, extensions };
}

/** A checkpoint and who signed it. */
export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly text: string;
  readonly signatures: readonly VerifiedSignature[];
}

/**
 * Opens a signed checkpoint: at least one of `verifiers` signed it. Whose signatures are enough is for the caller to say.
 * @throws {MalformedError} · {NoteRefusedError}
 */
export function openCheckpoint(note: Uint8Array, verifiers: readonly NoteVerifier[]): OpenedCheckpoint {
  const { text, signatures } = openNote(note, verifiers);
  return { checkpoint: parseCheckpoint(text), text, signatures };
}

/** A whole number of decimal digits without zeros before it, exact in a double; else null. */
export function parseDecimal(digits: string): number | null {
  const value = /^(0|[1-9]\d{0,15})$/.test(digits) ? Number(digits) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}
