import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { errorCode, type Logger } from '@pulsemesh/base';

/** What the overlay keeps of its interest filters is less than a quarter of this. */
const fileBytesMax = 64 * 1024;

/** Where the overlay keeps what it told of this node's interests: `interestState` of its options. */
export interface InterestFile {
  load(): Uint8Array | undefined;
  save(state: Uint8Array): void;
}

/**
 * The privacy budget of a node in a file, so that a restart does not spend it anew. It holds neither topics nor keys.
 * `load` throws what the file system says, but for a file that is not there, and of one that is too long it gives only what the
 * overlay refuses: who starts over without looking would tell more than was allowed. `save` is on disk when it returns; where the disk
 * fails it logs and goes on, since the filter it is about is the same after a restart anyhow.
 */
export function openInterestFile(file: string, { logger }: { readonly logger: Logger }): InterestFile {
  return {
    load() {
      try {
        if (statSync(file).size > fileBytesMax) return new Uint8Array(0);
        return new Uint8Array(readFileSync(file));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    save(state) {
      try {
        replaceFile(file, state);
      } catch (error) {
        logger.error('what was told of interests could not be saved', { code: errorCode(error) });
      }
    },
  };
}

/** Whole or not at all, and flushed: it is spent before it is told. */
function replaceFile(file: string, bytes: Uint8Array): void {
  const temporary = `${file}.new`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(descriptor, bytes);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}
