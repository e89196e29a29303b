import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createSystemRandom } from '@pulsemesh/base';
import { type BoardLog, openBoardLog } from '@pulsemesh/board/server';
import { createSigner } from '@pulsemesh/crypto';
import { openJournaledTables, openLmdbTables } from '@pulsemesh/store';

/** What takes leaves durably, and gives them back. */
export interface AppendContender extends AsyncDisposable {
  readonly name: string;
  /** Resolves once every leaf is durable: all at once, as so many callers would. */
  append(leaves: readonly Uint8Array[]): Promise<void>;
}

export const boardOrigin = 'board.bench/1';
export const boardSigner = createSigner(new Uint8Array(32).fill(5).with(0, 1));

/** Our log, each leaf a caller of its own. */
export interface OurLog extends AppendContender {
  readonly log: BoardLog;
}

/** A folder that is gone when the stack is left. */
function scratchFolder(stack: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-bench-board-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export async function ourLog(engine: 'LMDB' | 'journal'): Promise<OurLog> {
  const stack = new AsyncDisposableStack();
  const directory = scratchFolder(stack);
  const places = { directory: join(directory, 'tables'), journalDirectory: join(directory, 'journal') };
  const store = stack.use(
    engine === 'LMDB'
      ? await openLmdbTables(places)
      : await openJournaledTables(places, { random: createSystemRandom() }),
  );
  const log = stack.use(await openBoardLog({ store, signer: boardSigner, origin: boardOrigin }));
  return {
    name: `our log, ${engine}`,
    log,
    async append(leaves) {
      await Promise.all(leaves.map((leaf) => log.append(leaf)));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A table of entries in SQLite as an audit trail is usually kept: WAL, FULL, one transaction for all that are given at once. */
export function sqliteTable(): AppendContender & { read(id: number): Uint8Array } {
  const stack = new AsyncDisposableStack();
  const database = new DatabaseSync(join(scratchFolder(stack), 'audit.sqlite'));
  stack.defer(() => database.close());
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  database.exec('CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, entry BLOB NOT NULL)');
  const insert = database.prepare('INSERT INTO audit (at, entry) VALUES (?, ?)');
  const select = database.prepare('SELECT entry FROM audit WHERE id = ?');
  let count = 0;
  return {
    name: 'SQLite audit table, WAL, synchronous FULL',
    async append(leaves) {
      database.exec('BEGIN');
      for (const leaf of leaves) {
        count += 1;
        insert.run(count, leaf);
      }
      database.exec('COMMIT');
    },
    read: (id) => select.get(id)?.['entry'] as Uint8Array, // the column is a blob
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
