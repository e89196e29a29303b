import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createSigner } from '@pulsemesh/crypto';
import type { Hex } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealMessage } from '../chain/block.ts';
import { databaseFile } from '../chain/chain-database.ts';
import { bankKey, temporaryDirectory, testChainId, testOptions } from '../chain-world.testing.ts';
import { preparePurchases } from '../purchase-load.ts';
import { startEmbeddedChainHere } from '../start-embedded-chain.ts';
import { fetchChain, fetchChainAt, type RpcRequest } from './chain-sources.ts';
import type { SealedBlock } from './replay.ts';
import { verifyEmbeddedChain } from './verify-embedded-chain.ts';

const directory = temporaryDirectory();
const original = join(directory.path, 'original');
const clock = new VirtualClock();
let chain: Awaited<ReturnType<typeof startEmbeddedChainHere>>;
let head: number;

beforeAll(async () => {
  chain = await startEmbeddedChainHere(testOptions(original), { clock, logger: silentLogger, meter: silentMeter });
  const target = { url: chain.url ?? '', chainId: testChainId, bank: bankKey };
  const load = await preparePurchases({ ...target, count: 12, buyers: 3 });
  expect(await load.send()).toBe(12);
  await clock.advance(120_000);
  head = Number(await chain.request({ method: 'eth_blockNumber' }));
}, 60_000);

afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

describe('a sound chain', () => {
  it('is found sound, also while it runs', async () => {
    const verdict = await verifyEmbeddedChain(
      { directory: original },
      { sealer: chain.sealer, genesisHash: chain.genesisHash as Hex },
    );
    expect(verdict).toMatchObject({
      fault: null,
      blocks: head + 1,
      transactions: 16,
      chainId: testChainId,
      sealer: chain.sealer,
    });
  });

  it('is found sound by who asks for it over JSON-RPC', async () => {
    const verdict = await verifyEmbeddedChain(await fetchChain(chain.request));
    expect(verdict).toEqual(await verifyEmbeddedChain({ directory: original }));
    const byAddress = await fetchChainAt(chain.url ?? '', { clock: createSystemClock({ unref: true }) });
    expect(await verifyEmbeddedChain(byAddress)).toEqual(verdict);
  });

  it('is not the one that was expected', async () => {
    const verify = async (expected: Parameters<typeof verifyEmbeddedChain>[1]) =>
      (await verifyEmbeddedChain({ directory: original }, expected)).fault;
    const hash = `0x${'12'.repeat(32)}` as const;
    expect(await verify({ sealer: '00'.repeat(32) })).toEqual({ kind: 'sealer', block: null });
    expect(await verify({ genesisHash: hash })).toEqual({ kind: 'genesis', block: 0 });
    expect(await verify({ block: { number: 3, hash } })).toEqual({ kind: 'block', block: 3 });
    expect(await verify({ block: { number: 10_000, hash } })).toEqual({ kind: 'block', block: 10_000 });
  });
});

describe('what an operator may change in the database', () => {
  // Block 1 deploys, 2 … 4 give coins, then there are purchases.
  it.each([
    ['a transaction', 'UPDATE transactions SET raw = zeroblob(100) WHERE block = 2', 'transaction', 2],
    ['a transaction left out', 'DELETE FROM transactions WHERE block = 3', 'transactions', 3],
    ['the order of transactions', 'UPDATE transactions SET block = 3, place = 1 WHERE block = 2', 'transactions', 2],
    ['a receipt', 'UPDATE transactions SET is_success = 0 WHERE block = 2', 'kept', 2],
    ['gas', 'UPDATE blocks SET gas_used = gas_used + 1 WHERE number = 2', 'gas', 2],
    ['the time', 'UPDATE blocks SET timestamp = timestamp + 1 WHERE number = 4', 'hash', 4],
    ['the time, backwards', 'UPDATE blocks SET timestamp = timestamp - 99 WHERE number = 4', 'time', 4],
    ['a state hash', 'UPDATE blocks SET state_hash = zeroblob(32) WHERE number = 3', 'state', 3],
    ['a seal', 'UPDATE blocks SET seal = zeroblob(64) WHERE number = 3', 'seal', 3],
    ['a hash', 'UPDATE blocks SET hash = zeroblob(32) WHERE number = 3', 'hash', 3],
    ['a parent', 'UPDATE blocks SET parent_hash = zeroblob(32) WHERE number = 3', 'parent', 3],
    ['a log', 'UPDATE logs SET data = zeroblob(length(data))', 'kept', 5],
    ['a log left out', 'DELETE FROM logs', 'kept', 5],
    ['a balance', "UPDATE accounts SET balance = 'ff'", 'kept', null],
    ['a balance that is none', "UPDATE accounts SET balance = 'much'", 'pages', null],
    ['a grant', 'UPDATE slots SET value = zeroblob(1)', 'kept', null],
    ['a grant left out', 'DELETE FROM slots', 'kept', null],
    ['code', 'UPDATE codes SET code = zeroblob(10)', 'kept', null],
    ['the genesis', 'UPDATE meta SET value = replace(value, \'"chainId":15151\', \'"chainId":15152\')', 'spec', 0],
    ['the constants', "UPDATE meta SET value = '{}'", 'spec', 0],
  ])('%s: found and named', async (_what, sql, kind, block) => {
    const place = join(directory.path, 'changed');
    using copy = copyTo(place);
    copy.database.exec(sql);
    copy.database.close();
    const { fault } = await verifyEmbeddedChain({ directory: place });
    expect(fault).toEqual({ kind, block });
  });

  it('a block between others left out, though nothing happened in it', async () => {
    const place = join(directory.path, 'gap');
    using copy = copyTo(place);
    copy.database.exec(`DELETE FROM blocks WHERE number = ${head - 1}`);
    copy.database.close();
    expect((await verifyEmbeddedChain({ directory: place })).fault).toEqual({ kind: 'number', block: head - 1 });
  });

  it.each([
    [
      'a receipt of no block',
      `INSERT INTO transactions SELECT 99999, 0, randomblob(32), sender, raw, 1, 0, 0, NULL FROM transactions LIMIT 1`,
    ],
    ['a log of no block', 'INSERT INTO logs SELECT 99999, 0, 0, address, topics, data FROM logs LIMIT 1'],
    [
      'a block before the first',
      `INSERT INTO blocks SELECT -1, randomblob(32), parent_hash, timestamp, 0, transactions_hash, receipts_hash, state_hash, seal, 0
        FROM blocks WHERE number = 1`,
    ],
    ['code that lies in wait for who makes a contract', 'INSERT INTO codes VALUES (randomblob(32), zeroblob(1))'],
  ])('%s: found', async (_what, sql) => {
    const place = join(directory.path, 'stray');
    using copy = copyTo(place);
    copy.database.exec(sql);
    copy.database.close();
    expect((await verifyEmbeddedChain({ directory: place })).fault).toEqual({ kind: 'kept', block: null });
  });

  it.each([
    ['a rule that drops what is written', 'CREATE TRIGGER t BEFORE INSERT ON logs BEGIN SELECT RAISE(IGNORE); END'],
    [
      'an index that leaves transactions out',
      'DROP INDEX transactions_by_hash; CREATE INDEX transactions_by_hash ON transactions (hash) WHERE block > 5',
    ],
    [
      'an index that says less than its table, under its own name',
      `DROP INDEX transactions_by_hash; CREATE UNIQUE INDEX transactions_by_hash ON transactions (hash) WHERE block <> 2;
        PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX transactions_by_hash ON transactions (hash)'
        WHERE name = 'transactions_by_hash'`,
    ],
  ])('%s: found', async (_what, sql) => {
    const place = join(directory.path, 'rules');
    using copy = copyTo(place);
    copy.database.exec(sql);
    copy.database.close();
    expect((await verifyEmbeddedChain({ directory: place })).fault).toEqual({ kind: 'pages', block: null });
  });

  it('a tail cut off: found by who saw the head', async () => {
    const place = join(directory.path, 'cut');
    using copy = copyTo(place);
    const { hash } = copy.database.prepare('SELECT hash FROM blocks WHERE number = ?').get(head) as {
      hash: Uint8Array;
    };
    copy.database.exec(`DELETE FROM blocks WHERE number = ${head}; DELETE FROM transactions WHERE block = ${head}`);
    copy.database.close();
    const seen = { number: head, hash: `0x${Buffer.from(hash).toString('hex')}` as const };
    expect((await verifyEmbeddedChain({ directory: place }, { block: seen })).fault).toEqual({
      kind: 'block',
      block: head,
    });
  });

  it('a block sealed by somebody else', async () => {
    const source = await fetchChain(chain.request);
    const signer = createSigner(new Uint8Array(32).fill(77));
    const blocks = changed(source.blocks, 5, (block) => ({ ...block, seal: signer.sign(sealMessage(block.hash)) }));
    expect((await verifyEmbeddedChain({ ...source, blocks })).fault).toEqual({ kind: 'seal', block: 5 });
  });

  it('a block twice', async () => {
    const source = await fetchChain(chain.request);
    const blocks = changed(source.blocks, 5, (block) => ({ ...block, number: 4 }));
    expect((await verifyEmbeddedChain({ ...source, blocks })).fault).toEqual({ kind: 'number', block: 4 });
  });

  it('answers that are none', async () => {
    const lies: RpcRequest = async ({ method }) => (method === 'pulsemesh_spec' ? { chainId: 'x' } : null);
    await expect(fetchChain(lies)).rejects.toMatchObject({ code: 'embedded-chain-damaged' });
    const lyingLater: RpcRequest = (call) =>
      call.method === 'pulsemesh_spec' ? chain.request(call) : Promise.resolve({ number: 0 });
    expect((await verifyEmbeddedChain(await fetchChain(lyingLater))).fault).toEqual({ kind: 'pages', block: null });
  });
});

async function* changed(
  blocks: AsyncIterable<SealedBlock>,
  number: number,
  change: (block: SealedBlock) => SealedBlock,
): AsyncGenerator<SealedBlock> {
  for await (const block of blocks) yield block.number === number ? change(block) : block;
}

/** A copy of the chain whose database can be written in, as who owns the disk can. */
function copyTo(place: string): Disposable & { readonly database: DatabaseSync } {
  cpSync(original, place, { recursive: true, filter: (source) => !source.endsWith('-shm') });
  const database = new DatabaseSync(databaseFile(place), { defensive: false });
  return { database, [Symbol.dispose]: () => void (database.isOpen && database.close()) };
}
