import { constants } from 'node:fs';
import { type FileHandle, link, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, type Random } from '@pulsemesh/base';
import { makeDirectory } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import { IdentityDamagedError, IdentityFileError, KeyFileExposedError } from './errors.ts';

/** No file of an identity is longer. */
const fileBytesMax = 4096;

/**
 * The content of a small file, or null when there is none.
 * @throws {IdentityDamagedError} when it is longer than any identity; {@link IdentityFileError}; {@link KeyFileExposedError}
 * when `isSecret` and others than the owner have a right to it.
 */
export async function readSmallFile(
  file: string,
  isSecret: boolean,
  bytesMax = fileBytesMax,
): Promise<Uint8Array | null> {
  let handle: FileHandle;
  try {
    handle = await open(file, constants.O_RDONLY);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw new IdentityFileError(file, 'read', { cause: error });
  }
  try {
    // Asked of the opened file, so that nobody swaps it between the question and the reading.
    if (isSecret) await assertPrivate(file, handle);
    const buffer = new Uint8Array(Math.min((await handle.stat()).size, bytesMax) + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    if (bytesRead > bytesMax) throw new IdentityDamagedError(file);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function assertPrivate(file: string, handle: FileHandle): Promise<void> {
  const userId = process.getuid?.();
  if (userId === undefined) return; // Windows: rights are inherited from the user's own directory
  const { mode, uid } = await handle.stat();
  const isOwn = uid === userId || uid === 0;
  if ((mode & 0o077) !== 0 || !isOwn) throw new KeyFileExposedError(file, (mode & 0o777).toString(8).padStart(4, '0'));
}

/**
 * Creates `file` (mode 0600; missing directories 0700) with `content`, whole or not at all, on disk when it resolves.
 * Resolves to false, and changes nothing, when there is one already.
 * @throws {IdentityFileError}
 */
export async function createSmallFile(
  file: string,
  content: Uint8Array,
  dependencies: { readonly random: Random },
): Promise<boolean> {
  const temporary = temporaryName(file, dependencies.random);
  try {
    makeDirectory(dirname(file));
    await writeDurably(temporary, content);
    try {
      await link(temporary, file);
      await unlink(temporary);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') {
        await unlink(temporary);
        return false;
      }
      // File systems without hard links: a rename is as whole, only not exclusive.
      await rename(temporary, file);
    }
    await syncDirectory(dirname(file));
    return true;
  } catch (error) {
    throw new IdentityFileError(file, 'write', { cause: error });
  }
}

/** Puts `content` in the place of `file` (or makes it, mode 0600), whole or not at all, on disk when it resolves. The last writer wins. @throws {IdentityFileError} */
export async function overwriteFile(
  file: string,
  content: Uint8Array,
  dependencies: { readonly random: Random },
): Promise<void> {
  const temporary = temporaryName(file, dependencies.random);
  try {
    makeDirectory(dirname(file));
    await writeDurably(temporary, content);
    await rename(temporary, file);
    await syncDirectory(dirname(file));
  } catch (error) {
    throw new IdentityFileError(file, 'write', { cause: error });
  }
}

/** What {@link replaceSmallFile} found. */
export type Replacement = 'replaced' | 'superseded';

/**
 * Puts generation `next.generation` of `file` in the place of the one before, whole or not at all, on disk when it resolves. Of two
 * processes that try at once one gets `replaced`, the other `superseded`: then its content is nowhere.
 *
 * The claim on a generation is a file beside it with the whole content, made exclusively, then renamed. Whoever finds the
 * claim of a process that died finishes it: so a crash at any line leaves the old generation or the new one.
 * `generationOf` reads the number out of a file's content.
 * @throws {IdentityFileError}
 */
export async function replaceSmallFile(
  file: string,
  next: { readonly generation: number; readonly content: Uint8Array },
  generationOf: (content: Uint8Array) => number,
  dependencies: { readonly random: Random },
): Promise<Replacement> {
  const temporary = temporaryName(file, dependencies.random);
  const claim = `${file}.${next.generation}`;
  try {
    makeDirectory(dirname(file));
    await writeDurably(temporary, next.content);
    const isClaimed = await linkExclusively(temporary, claim);
    const isCurrent = await isGeneration(file, next.generation - 1, generationOf);
    if (isClaimed && !isCurrent) await unlinkIfThere(claim);
    // Ours, or one that a dead process left: either way the next generation, and whole.
    if (isCurrent) await renameIfThere(claim, file);
    await syncDirectory(dirname(file));
    if (!isClaimed || !isCurrent) return 'superseded';
    await sweep(file, next.generation);
    return 'replaced';
  } catch (error) {
    throw new IdentityFileError(file, 'write', { cause: error });
  }
}

/**
 * Takes away what crashes left beside `file`: it is sealed under keys that may be retired by now. A process whose temporary
 * file goes this way was superseded anyway.
 */
async function sweep(file: string, generation: number): Promise<void> {
  const name = basename(file);
  for (const entry of await readdir(dirname(file))) {
    if (!entry.startsWith(`${name}.`)) continue;
    const rest = entry.slice(name.length + 1);
    const isOldClaim = /^\d{1,15}$/.test(rest) && Number(rest) <= generation;
    if (isOldClaim || /^[0-9a-f]{16}\.tmp$/.test(rest)) await unlinkIfThere(join(dirname(file), entry));
  }
}

function temporaryName(file: string, random: Random): string {
  return `${file}.${toHex(random.bytes(8))}.tmp`;
}

/** Moves `temporary` to `name` unless that is taken; true when it did. `temporary` is gone either way. */
async function linkExclusively(temporary: string, name: string): Promise<boolean> {
  try {
    await link(temporary, name);
  } catch (error) {
    if (errorCode(error) === 'EEXIST' || errorCode(error) === 'ENOENT') {
      await unlinkIfThere(temporary); // taken, or swept away by whoever was first
      return false;
    }
    // File systems without hard links: a rename is as whole, only not exclusive.
    await rename(temporary, name);
    return true;
  }
  await unlinkIfThere(temporary);
  return true;
}

async function isGeneration(
  file: string,
  generation: number,
  generationOf: (content: Uint8Array) => number,
): Promise<boolean> {
  const content = await readSmallFile(file, false);
  return content !== null && generationOf(content) === generation;
}

/** Another process may have finished our claim already. */
function renameIfThere(from: string, to: string): Promise<void> {
  return rename(from, to).catch(unlessMissing);
}

function unlinkIfThere(file: string): Promise<void> {
  return unlink(file).catch(unlessMissing);
}

function unlessMissing(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error;
}

async function writeDurably(file: string, content: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the new name itself survive a power cut. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return; // directories cannot be opened there
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
