import { renameSync, writeFileSync } from 'node:fs';

/** Puts `text` in the place of `file` (mode 0600): whoever reads it finds the old text or the new one. Not flushed: it can be made again. */
export function writeFileAtomically(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}
