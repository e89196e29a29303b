import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';

/** Puts `content` in the place of `file` (mode 0600): whoever reads it finds the old one or the new one. Not flushed: it can be made again. */
export function writeFileAtomically(file: string, content: string | Uint8Array): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, file);
}

/** The same, and on the disk before it takes its place: for what cannot be made again. */
export function writeFileDurably(file: string, content: string | Uint8Array): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}
