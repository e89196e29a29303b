import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';

/** A file grows by this much at a time, so that most writes change nothing but its content. */
const growBytes = 1024 * 1024;

/** On Linux one call writes and flushes; elsewhere that flag does not reach the disk's own cache, and flushing is a call of its own. */
const isWriteThrough = process.platform === 'linux';

/** The file that a segment is written into. */
export function fileOf(segment: number): 0 | 1 {
  return segment % 2 === 0 ? 0 : 1;
}

/** The two files of a journal, in turn the one that is written. */
export class SegmentFiles implements AsyncDisposable {
  readonly #files: readonly [FileHandle, FileHandle];
  readonly #sizes: [number, number];

  private constructor(files: readonly [FileHandle, FileHandle], sizes: [number, number]) {
    this.#files = files;
    this.#sizes = sizes;
  }

  /** Opens the files of `directory`, made where they are missing. @throws what the operating system says. */
  static async open(directory: string): Promise<SegmentFiles> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const flags = constants.O_RDWR | constants.O_CREAT | (isWriteThrough ? constants.O_DSYNC : 0);
    const first = await open(join(directory, '0'), flags, 0o600);
    try {
      const second = await open(join(directory, '1'), flags, 0o600);
      const sizes: [number, number] = [(await first.stat()).size, (await second.stat()).size];
      // A file whose name is not on the disk would be gone after a power cut, with all that was flushed into it.
      await syncDirectory(directory);
      await syncDirectory(join(directory, '..'));
      return new SegmentFiles([first, second], sizes);
    } catch (error) {
      await first.close();
      throw error;
    }
  }

  /** Nothing was ever written into it. */
  isEmpty(index: 0 | 1): boolean {
    return this.#sizes[index] === 0;
  }

  read(index: 0 | 1): Promise<Buffer> {
    return this.#files[index].readFile();
  }

  /** Writes at `position` and resolves once that is on the disk. */
  async write(index: 0 | 1, bytes: Uint8Array, position: number): Promise<void> {
    const file = this.#files[index];
    const end = position + bytes.length;
    if (end > this.#sizes[index]) {
      const size = Math.ceil(end / growBytes) * growBytes;
      await writeWhole(file, new Uint8Array(size - this.#sizes[index]), this.#sizes[index]);
      this.#sizes[index] = size;
    }
    await writeWhole(file, bytes, position);
    if (!isWriteThrough) await file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** Where directories can be opened; NTFS journals names by itself. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
