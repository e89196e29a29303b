import { statfs } from 'node:fs/promises';

/** Bytes an unprivileged process may still write on the disk that holds `directory`. */
export type FreeBytes = (directory: string) => Promise<number>;

/** As the operating system says. */
export const freeBytesOnDisk: FreeBytes = async (directory) => {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
};

/** Kept free on the disk: below it writes are refused, so that there is room to read, remove and repair. */
export const reserveBytesDefault = 64 * 1024 * 1024;
