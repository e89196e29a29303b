import { join } from 'node:path';
import type { Logger } from '@pulsemesh/base';
import { type FreeBytes, lockDirectory, openJournaledTables } from '@pulsemesh/store';
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
 * Mailboxes in one LMDB environment behind a journal, durable by group commit. For one process: counts and offsets are kept in memory while it
 * runs, so a second one is refused. Disposing writes what waits and lets go of the directory.
 * @throws {StoreInUseError} while another process has it open (retryable); {StoreSchemaError}; {StoreFailedError}.
 */
export async function openLmdbEngine(
  options: LmdbEngineOptions,
  dependencies: LmdbEngineDependencies,
): Promise<MailboxEngine> {
  const lock = lockDirectory(options.directory);
  try {
    const { bytesMax, reserveBytes } = options;
    const { logger, freeBytes, random } = dependencies;
    const store = await openJournaledTables(
      {
        directory: join(options.directory, 'mailboxes'),
        journalDirectory: join(options.directory, 'journal'),
        ...(bytesMax === undefined ? {} : { bytesMax }),
        ...(reserveBytes === undefined ? {} : { reserveBytes }),
      },
      { random, ...(logger === undefined ? {} : { logger }), ...(freeBytes === undefined ? {} : { freeBytes }) },
    );
    const engine = createTableEngine('lmdb', options, { ...dependencies, store });
    const dispose = engine[Symbol.asyncDispose].bind(engine);
    return Object.assign(engine, {
      async [Symbol.asyncDispose]() {
        await dispose();
        lock[Symbol.dispose]();
      },
    });
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}
