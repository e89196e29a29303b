import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errorCode } from '@pulsemesh/base';

/**
 * Makes a directory and the parents it lacks, for their owner alone (mode 0700); nothing where it is there. Synchronous: it is done once,
 * at the start. Not with `recursive` of Node, which never ends where a parent is there and takes no directories (/proc).
 * @throws what the file system says (`ENOENT`, `EACCES`, `ENOTDIR`, `EROFS` …).
 */
export function makeDirectory(directory: string): void {
  const path = resolve(directory);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process was first.
    if (errorCode(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}
