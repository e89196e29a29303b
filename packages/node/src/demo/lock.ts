import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Condition } from '@pulsemesh/base';

/** Another process works on this data directory. Not retryable before it has stopped. */
export class DataDirectoryInUseError extends Condition {
  override readonly name = 'DataDirectoryInUseError';
  constructor(directory: string, holder: string) {
    super('data-directory-in-use', `another Pulsemesh${holder} is running on ${directory}`, { facts: { directory } });
  }
}

/**
 * Takes the data directory for this process, until disposed or until the process ends in whatever way: the lock is
 * the operating system's, held through SQLite, which knows how on every platform. Makes the directory if need be.
 * @throws {DataDirectoryInUseError}.
 */
export function lockDataDirectory(directory: string, pid: number = process.pid): Disposable {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const pidFile = join(directory, 'lock.pid');
  const database = new DatabaseSync(join(directory, 'lock.sqlite'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch {
    database.close();
    throw new DataDirectoryInUseError(directory, readHolder(pidFile));
  }
  writeFileSync(pidFile, `${pid}\n`, { mode: 0o600 });
  return { [Symbol.dispose]: () => database.close() };
}

function readHolder(pidFile: string): string {
  try {
    return ` (process ${Number.parseInt(readFileSync(pidFile, 'utf8'), 10)})`;
  } catch {
    return '';
  }
}
