import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreInUseError } from './errors.ts';
import { makeDirectory } from './make-directory.ts';

/**
 * Takes a directory for one holder, until disposed or until the process ends in whatever way: the lock is the operating system's,
 * held through SQLite on a file `lock`, which knows how on every platform. Makes the directory if need be.
 * @throws {StoreInUseError} while somebody else holds it; what the operating system says of the directory.
 */
export function lockDirectory(directory: string): Disposable {
  makeDirectory(directory);
  const database = new DatabaseSync(join(directory, 'lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new StoreInUseError({ cause: error });
  }
  return { [Symbol.dispose]: () => void (database.isOpen && database.close()) };
}
