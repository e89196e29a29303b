import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@pulsemesh/base';
import { makeDirectory } from '@pulsemesh/store';
import { writeFileAtomically } from '../relay/write-file.ts';

/** What a party keeps of the tasks it took part in: a file each, so that it can be read while the party runs. */
const folder = 'learned';
const resultBytesMax = 16 * 1024 * 1024;

/** Keeps what came out of a task, in the party's data directory; null: it ended without. Repeating it writes the same. */
export function keepResult(dataDirectory: string, taskId: string, result: Uint8Array | null): void {
  makeDirectory(join(dataDirectory, folder));
  writeFileAtomically(fileOf(dataDirectory, taskId), result ?? new Uint8Array(0));
}

/** What came out of a task, as kept by a party of this data directory; null: it has none. Whoever asks checks its hash. */
export async function keptResult(dataDirectory: string, taskId: string): Promise<Uint8Array | null> {
  try {
    const bytes = await readFile(fileOf(dataDirectory, taskId));
    return bytes.length === 0 || bytes.length > resultBytesMax ? null : bytes;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** True once a task has ended here, with a result or without. */
export function hasEnded(dataDirectory: string, taskId: string): boolean {
  return existsSync(fileOf(dataDirectory, taskId));
}

function fileOf(dataDirectory: string, taskId: string): string {
  return join(dataDirectory, folder, `${taskId}.result`);
}
