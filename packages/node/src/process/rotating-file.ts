import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface RotatingFileOptions {
  readonly file: string;
  /** Default 4 MiB. */
  readonly bytesMax?: number;
  /** Older files kept beside the current one, `file.1` the newest; default 2. */
  readonly keptMax?: number;
}

/**
 * A log file that cannot fill the disk: past `bytesMax` it becomes `file.1`, and the oldest goes. Lines are
 * written at once, so that a crash does not take the last words with it; a full disk loses lines silently,
 * because a log must not stop the node.
 * @throws what the operating system says where nothing can be written there.
 */
export function createRotatingFile(options: RotatingFileOptions): { write(line: string): void } {
  const { file, bytesMax = 4 * 1024 * 1024, keptMax = 2 } = options;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Told at once where nothing can be written there: later nobody would hear it.
  appendFileSync(file, '', { mode: 0o600 });
  let bytes = sizeOf(file);
  return {
    write(line) {
      try {
        if (bytes + line.length > bytesMax && bytes > 0) {
          rotate(file, keptMax);
          bytes = 0;
        }
        appendFileSync(file, line, { mode: 0o600 });
        bytes += line.length;
      } catch {
        // See above: nowhere left to say it.
      }
    },
  };
}

function rotate(file: string, keptMax: number): void {
  rmSync(`${file}.${keptMax}`, { force: true });
  for (let age = keptMax - 1; age >= 1; age -= 1) {
    if (sizeOf(`${file}.${age}`) > 0) renameSync(`${file}.${age}`, `${file}.${age + 1}`);
  }
  if (keptMax > 0) renameSync(file, `${file}.1`);
  else rmSync(file, { force: true });
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
