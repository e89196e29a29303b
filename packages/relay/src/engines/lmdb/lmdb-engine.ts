import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Logger } from '@pulsemesh/base';
import { type FreeBytes, openLmdbTables, StoreInUseError } from '@pulsemesh/store';
import type { MailboxEngine } from '../../engine.ts';
import type { EngineDependencies, EngineOptions } from '../engine-options.ts';
import { createTableEngine } from './table-engine.ts';

export interface LmdbEngineOptions extends EngineOptions {
  /** Made when missing. */
  readonly directory: string;
  /** Bytes all of it may take; default 64 GiB. Then `relay-full`. */
  readonly bytesMax?: number;
  /** Kept free on the disk; default 64 MiB. Below it `relay-full`; reading and acknowledging go on. */
  readonly reserveBytes?: number;
}

export interface LmdbEngineDependencies extends EngineDependencies {
  readonly logger?: Logger;
  /** Default: what the operating system says. */
  readonly freeBytes?: FreeBytes;
}

/**
 * Mailboxes in one LMDB environment, durable by group commit. For one process: counts and offsets are kept in memory while it
 * runs, so a second one is refused. Disposing writes what waits and lets go of the directory.
 * @throws {StoreInUseError} while another process has it open (retryable); {StoreSchemaError}; {StoreFailedError}.
 */
export async function openLmdbEngine(
  options: LmdbEngineOptions,
  dependencies: LmdbEngineDependencies,
): Promise<MailboxEngine> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(options.directory);
  try {
    const { bytesMax, reserveBytes } = options;
    const { logger, freeBytes } = dependencies;
    const store = await openLmdbTables(
      {
        directory: join(options.directory, 'mailboxes'),
        ...(bytesMax === undefined ? {} : { bytesMax }),
        ...(reserveBytes === undefined ? {} : { reserveBytes }),
      },
      { ...(logger === undefined ? {} : { logger }), ...(freeBytes === undefined ? {} : { freeBytes }) },
    );
    const engine = createTableEngine('lmdb', options, { ...dependencies, store });
    const dispose = engine[Symbol.asyncDispose].bind(engine);
    return Object.assign(engine, {
      async [Symbol.asyncDispose]() {
        await dispose();
        lock.close();
      },
    });
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** SQLite's lock on a file of its own: the operating system lets go of it when the process ends, however it ends. */
function lockDirectory(directory: string): { close(): void } {
  const database = new DatabaseSync(join(directory, 'lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new StoreInUseError({ cause: error });
  }
  return { close: () => database.isOpen && database.close() };
}
