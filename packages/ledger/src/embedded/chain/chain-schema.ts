import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** Raised with every change of {@link schema}. */
export const schemaVersion = 1;

/** Numbers are blocks' and places within them; bytes as they are; balances as hex, since SQLite's integers end at 2^63. */
export const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, parent_hash BLOB NOT NULL, timestamp INTEGER NOT NULL,
    gas_used INTEGER NOT NULL, transactions_hash BLOB NOT NULL, receipts_hash BLOB NOT NULL, state_hash BLOB NOT NULL,
    seal BLOB NOT NULL, transaction_count INTEGER NOT NULL) STRICT;
  CREATE TABLE transactions (block INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL, sender BLOB NOT NULL, raw BLOB NOT NULL,
    is_success INTEGER NOT NULL, gas_used INTEGER NOT NULL, cumulative_gas INTEGER NOT NULL, contract BLOB,
    PRIMARY KEY (block, place)) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX transactions_by_hash ON transactions (hash);
  CREATE TABLE logs (block INTEGER NOT NULL, place INTEGER NOT NULL, transaction_place INTEGER NOT NULL, address BLOB NOT NULL,
    topics BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (block, place)) STRICT, WITHOUT ROWID;
  CREATE TABLE accounts (address BLOB PRIMARY KEY, nonce INTEGER NOT NULL, balance TEXT NOT NULL, code_hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE slots (place BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE codes (hash BLOB PRIMARY KEY, code BLOB NOT NULL) STRICT;
`;

const blockColumns =
  'number, hash, parent_hash, timestamp, gas_used, transactions_hash, receipts_hash, state_hash, seal, transaction_count';
const transactionColumns = 'block, place, hash, sender, raw, is_success, gas_used, cumulative_gas, contract';
const logColumns = 'block, place, transaction_place, address, topics, data';

/** Everything the chain asks its database, prepared; rows come as arrays. */
export function prepareStatements(database: DatabaseSync) {
  const prepare = (text: string): StatementSync => {
    const statement = database.prepare(text);
    statement.setReturnArrays(true);
    return statement;
  };
  // Null stands for any. A list is looked through once, not for every row.
  const isIn = (column: string, place: number) =>
    `(?${place} IS NULL OR hex(${column}) IN (SELECT upper(value) FROM json_each(?${place})))`;
  const topicIn = (index: number, place: number) => isIn(`substr(topics, ${index * 32 + 1}, 32)`, place);
  const wanted = [isIn('address', 3), topicIn(0, 4), topicIn(1, 5), topicIn(2, 6), topicIn(3, 7)].join(' AND ');
  return {
    meta: prepare('SELECT value FROM meta WHERE key = ?'),
    addMeta: prepare('INSERT INTO meta VALUES (?, ?)'),
    head: prepare(`SELECT ${blockColumns} FROM blocks ORDER BY number DESC LIMIT 1`),
    blockByNumber: prepare(`SELECT ${blockColumns} FROM blocks WHERE number = ?`),
    blockByHash: prepare(`SELECT ${blockColumns} FROM blocks WHERE hash = ?`),
    addBlock: prepare('INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    transactionByHash: prepare(`SELECT ${transactionColumns} FROM transactions WHERE hash = ?`),
    transactionsOf: prepare(`SELECT ${transactionColumns} FROM transactions WHERE block = ? ORDER BY place`),
    addTransaction: prepare('INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    logs: prepare(`SELECT ${logColumns} FROM logs WHERE block >= ?1 AND block <= ?2 AND ${wanted}
      AND length(topics) >= ?8 ORDER BY block, place`),
    logsOfBlock: prepare(`SELECT ${logColumns} FROM logs WHERE block = ? ORDER BY place`),
    addLog: prepare('INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?)'),
    account: prepare('SELECT nonce, balance, code_hash FROM accounts WHERE address = ?'),
    accounts: prepare('SELECT address, nonce, balance, code_hash FROM accounts'),
    putAccount: prepare(
      'INSERT INTO accounts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET nonce = excluded.nonce, balance = excluded.balance, code_hash = excluded.code_hash',
    ),
    removeAccount: prepare('DELETE FROM accounts WHERE address = ?'),
    slot: prepare('SELECT value FROM slots WHERE place = ?'),
    slots: prepare('SELECT place, value FROM slots'),
    slotsOf: prepare('SELECT place FROM slots WHERE place >= ? AND place <= ?'),
    putSlot: prepare('INSERT INTO slots VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'),
    removeSlot: prepare('DELETE FROM slots WHERE place = ?'),
    code: prepare('SELECT code FROM codes WHERE hash = ?'),
    addCode: prepare('INSERT INTO codes VALUES (?, ?) ON CONFLICT DO NOTHING'),
    // Slower than quick_check, which does not compare indexes with their tables.
    check: prepare('PRAGMA integrity_check(1)'),
    counts:
      prepare(`SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM transactions), (SELECT count(*) FROM logs),
      (SELECT count(*) FROM codes)`),
  };
}

/** Whether a database holds the tables and indexes of {@link schema} and nothing else: no trigger, no view. */
export function hasOwnSchema(database: DatabaseSync): boolean {
  using own = new DatabaseSync(':memory:');
  own.exec(schema);
  return textOfSchema(own) === textOfSchema(database);
}

function textOfSchema(database: DatabaseSync): string {
  return JSON.stringify(database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name').all());
}
