import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, toHex } from '@pulsemesh/wire';

/** Whose files decide what a task computes. */
const packages = ['@pulsemesh/learning', '@pulsemesh/vitals/model'];

/**
 * SHA-256 over the program's files that decide what a site computes in a task, 64 hex digits: the same for all who run the same
 * release. A site takes part only in tasks of its own program.
 */
export async function codeHash(): Promise<string> {
  const hashes: Uint8Array[] = [];
  for (const name of packages) {
    const folder = dirname(fileURLToPath(import.meta.resolve(name)));
    const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter(
        (entry) => entry.isFile() && /\.[jt]s$/.test(entry.name) && !/\.(test|testing|d)\.[jt]s$/.test(entry.name),
      )
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .filter((file) => !file.startsWith(`testing${sep}`))
      .sort();
    for (const file of files) {
      hashes.push(
        sha256(new TextEncoder().encode(file.split(sep).join('/'))),
        sha256(await readFile(join(folder, file))),
      );
    }
  }
  return toHex(sha256(concatBytes(...hashes)));
}
