import type { Common } from '@ethereumjs/common';
import type { Clock } from '@pulsemesh/base';
import { createSigner, verifySignature } from '@pulsemesh/crypto';
import { equalBytes } from '@pulsemesh/wire';
import { ChainDamagedError, OtherChainError } from '../errors.ts';
import { createGenesis } from '../execution/genesis.ts';
import { RecoveredKeys } from '../execution/recover-key.ts';
import { blockOf, bloomOf, type ChainSpec, createRules, type StoredBlock, sealMessage } from './block.ts';
import { ChainDatabase } from './chain-database.ts';
import { parseSpec, specText } from './spec-text.ts';

/** What a chain is opened with; all checked. */
export interface ChainSettings {
  readonly directory: string;
  readonly chainId: number;
  /** 32 bytes, private. */
  readonly sealerSeed: Uint8Array;
  /** 20 bytes. */
  readonly coinbase: Uint8Array;
  /** Lower-case hex addresses without 0x. Taken at the first start. */
  readonly balances: ReadonlyMap<string, bigint>;
  readonly heartbeatMs: number;
  readonly reserveBytes: number;
  readonly bytesMax: number | undefined;
}

/** Blocks before the head that are looked at when a chain is opened. */
const checkedAtStart = 64;

/**
 * Opens what is in a directory, or writes a genesis into it, and looks whether the last blocks hang together and carry the seal.
 * @throws {OtherChainError}, {ChainDamagedError}, {StoreFullError}, {StoreFailedError}.
 */
export function openChain(
  settings: ChainSettings,
  clock: Clock,
): { database: ChainDatabase; spec: ChainSpec; rules: Common; head: StoredBlock; keys: RecoveredKeys } {
  const { directory, reserveBytes, bytesMax } = settings;
  const database = new ChainDatabase({ directory, reserveBytes, ...(bytesMax === undefined ? {} : { bytesMax }) });
  try {
    if (database.head() === undefined) writeGenesis(database, settings, clock);
    const spec = parseSpec(database.meta('spec'));
    assertSame(spec, settings);
    const keys = new RecoveredKeys();
    const rules = createRules(spec.chainId, keys.recover);
    const head = database.head() as StoredBlock; // the genesis at least
    checkTail(database, spec, rules, head);
    return { database, spec, rules, head, keys };
  } catch (error) {
    database[Symbol.dispose]();
    throw error;
  }
}

function writeGenesis(database: ChainDatabase, settings: ChainSettings, clock: Clock): void {
  const { chainId, sealerSeed, coinbase, balances } = settings;
  const signer = createSigner(sealerSeed);
  const timestamp = Math.floor(clock.now() / 1_000);
  const spec: ChainSpec = { chainId, sealer: signer.publicKey, coinbase, timestamp, balances };
  const genesis = createGenesis(spec, createRules(chainId, new RecoveredKeys().recover));
  const block = { ...genesis.block, seal: signer.sign(sealMessage(genesis.block.hash)) };
  database.write({ ...genesis, block }, { spec: specText(spec) });
}

function assertSame(spec: ChainSpec, { chainId, sealerSeed, coinbase, balances }: ChainSettings): void {
  if (spec.chainId !== chainId) throw new OtherChainError('chain id');
  if (!equalBytes(spec.sealer, createSigner(sealerSeed).publicKey)) throw new OtherChainError('sealer');
  if (!equalBytes(spec.coinbase, coinbase)) throw new OtherChainError('treasury');
  const isSame = [...balances].every(([address, balance]) => (spec.balances.get(address) ?? 0n) === balance);
  if (!isSame || balances.size !== spec.balances.size) throw new OtherChainError('genesis');
}

function checkTail(database: ChainDatabase, spec: ChainSpec, rules: Common, head: StoredBlock): void {
  let block = head;
  for (let looked = 0; looked < checkedAtStart; looked += 1) {
    if (!equalBytes(hashOf(database, spec, rules, block), block.hash)) {
      throw new ChainDamagedError('hash', block.number);
    }
    if (!verifySignature(spec.sealer, sealMessage(block.hash), block.seal)) {
      throw new ChainDamagedError('seal', block.number);
    }
    if (block.number === 0) return;
    const parent = database.blockByNumber(block.number - 1);
    if (parent === undefined || !equalBytes(parent.hash, block.parentHash)) {
      throw new ChainDamagedError('parent', block.number);
    }
    block = parent;
  }
}

function hashOf(database: ChainDatabase, spec: ChainSpec, rules: Common, block: StoredBlock): Uint8Array {
  const bloom = bloomOf(database.logsOf(block.number));
  try {
    return blockOf(spec, rules, block, bloom).hash();
  } catch (error) {
    throw new ChainDamagedError('hash', block.number, { cause: error });
  }
}
