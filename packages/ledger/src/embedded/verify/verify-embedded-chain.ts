import { equalBytes } from '@pulsemesh/wire';
import type { Hex } from '../../offer/offer.ts';
import type { ChainSpec, StoredBlock } from '../chain/block.ts';
import { ChainDatabase } from '../chain/chain-database.ts';
import { parseSpec } from '../chain/spec-text.ts';
import { ChainDamagedError } from '../errors.ts';
import type { FinishedDraft } from '../execution/block-draft.ts';
import { toHex } from '../state/hex.ts';
import type { MemoryState } from '../state/memory-state.ts';
import type { ChainSource } from './chain-sources.ts';
import { type ChainFault, Replay, type SealedBlock } from './replay.ts';

/** What a chain ought to be, known from elsewhere: a contact card, a checkpoint on the public board, an earlier look. */
export interface ExpectedChain {
  /** Ed25519 public key, lower-case hex. */
  readonly sealer?: string;
  readonly genesisHash?: Hex;
  /** A block that was seen once: it must still be there. */
  readonly block?: { readonly number: number; readonly hash: Hex };
}

/** What a verification found. */
export interface ChainVerdict {
  /** Null: sound. Else the first thing that is wrong; what is below is what was sound before it. */
  readonly fault: ChainFault | null;
  readonly blocks: number;
  readonly transactions: number;
  readonly chainId: number | null;
  readonly sealer: string | null;
  readonly genesisHash: Hex | null;
  readonly headHash: Hex | null;
  readonly stateHash: Hex | null;
}

/**
 * Executes a chain again from its genesis and compares every hash and seal; of a directory also everything that is kept for reading, down
 * to the last balance, and that nothing else is kept. The directory may be in use. What a sealer wrote anew from the start with the same
 * key, and that an older copy was put back, only `expected` can tell: keep a block's hash elsewhere. Never throws for what is wrong with the chain.
 * @throws what reading the directory or the source throws, other than damage.
 */
export async function verifyEmbeddedChain(
  from: { readonly directory: string } | ChainSource,
  expected: ExpectedChain = {},
  options: { readonly signal?: AbortSignal } = {},
): Promise<ChainVerdict> {
  const tally = new Tally();
  try {
    const fault =
      'directory' in from
        ? await verifyDirectory(from.directory, expected, tally, options)
        : await verifyBlocks(from, expected, tally, options, () => null);
    return tally.verdict(fault);
  } catch (error) {
    if (!(error instanceof ChainDamagedError)) throw error;
    const { kind, block } = error.facts;
    return tally.verdict({ kind: kind === 'spec' ? 'spec' : 'pages', block: typeof block === 'number' ? block : null });
  }
}

type Options = { readonly signal?: AbortSignal };
type AlsoCheck = (made: FinishedDraft, block: SealedBlock) => ChainFault | null;

async function verifyDirectory(
  directory: string,
  expected: ExpectedChain,
  tally: Tally,
  options: Options,
): Promise<ChainFault | null> {
  using database = new ChainDatabase({ directory, reserveBytes: 0, isReadOnly: true });
  database.holdStill();
  database.checkPages();
  const spec = parseSpec(database.meta('spec'));
  const source = { spec, blocks: blocksOf(database) };
  let state: MemoryState | undefined;
  let logCount = 0;
  const fault = await verifyBlocks(
    source,
    expected,
    tally,
    options,
    (made, block) => {
      logCount += made.logs.length;
      return keptFault(database, made, block);
    },
    (replayed) => {
      state = replayed;
    },
  );
  if (fault !== null || state === undefined) return fault;
  const next = (tally.head?.number ?? 0) + 1;
  if ((database.head()?.number ?? 0) >= next) return { kind: 'number', block: next };
  const { blocks, transactions, logs, codes } = database.counts();
  const isAll = blocks === next && transactions === tally.transactions && logs === logCount;
  const isKept = isAll && codes === state.codes.size && isSameState(database, state);
  return isKept ? null : { kind: 'kept', block: null };
}

async function verifyBlocks(
  { spec, blocks }: ChainSource,
  expected: ExpectedChain,
  tally: Tally,
  { signal }: Options,
  alsoCheck: AlsoCheck,
  atEnd: (state: MemoryState) => void = () => {},
): Promise<ChainFault | null> {
  tally.spec = spec;
  if (expected.sealer !== undefined && expected.sealer !== toHex(spec.sealer)) return { kind: 'sealer', block: null };
  const replay = await Replay.create(spec);
  for await (const block of blocks) {
    signal?.throwIfAborted();
    const made = await replay.take(block);
    if ('kind' in made) return made;
    const fault = expectedFault(expected, block) ?? alsoCheck(made, block);
    if (fault !== null) return fault;
    tally.add(block);
    await new Promise<void>((resolve) => setImmediate(resolve)); // others have their turn
  }
  if (tally.head === undefined) return { kind: 'genesis', block: null };
  if (expected.block !== undefined && tally.head.number < expected.block.number) {
    return { kind: 'block', block: expected.block.number };
  }
  atEnd(replay.state);
  return null;
}

function expectedFault({ genesisHash, block }: ExpectedChain, { number, hash }: StoredBlock): ChainFault | null {
  const found = `0x${toHex(hash)}`;
  if (number === 0 && genesisHash !== undefined && genesisHash !== found) return { kind: 'genesis', block: 0 };
  if (block?.number === number && block.hash !== found) return { kind: 'block', block: number };
  return null;
}

async function* blocksOf(database: ChainDatabase): AsyncGenerator<SealedBlock> {
  for (let number = 0; ; number += 1) {
    const block = database.blockByNumber(number);
    if (block === undefined) return;
    yield { ...block, raw: database.transactionsOf(number).map(({ raw }) => raw) };
  }
}

/** What JSON-RPC answers from, against what came out. */
function keptFault(database: ChainDatabase, made: FinishedDraft, block: SealedBlock): ChainFault | null {
  const transactions = database.transactionsOf(block.number);
  const logs = database.logsOf(block.number);
  const isSame =
    isSameRows(made.transactions, transactions) &&
    isSameRows(made.logs, logs) &&
    made.block.transactionCount === block.transactionCount;
  return isSame ? null : { kind: 'kept', block: block.number };
}

function isSameRows(a: readonly object[], b: readonly object[]): boolean {
  return a.length === b.length && a.every((row, index) => textOf(row) === textOf(b[index]));
}

function textOf(row: unknown): string {
  return JSON.stringify(row, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Uint8Array ? toHex(value) : value;
  });
}

function isSameState(database: ChainDatabase, { accounts, slots, codes }: MemoryState): boolean {
  let [accountCount, slotCount] = [0, 0];
  for (const kept of database.wholeState()) {
    if ('account' in kept) {
      accountCount += 1;
      const record = accounts.get(kept.account);
      if (record === undefined || textOf(record) !== textOf(kept.record)) return false;
    } else {
      slotCount += 1;
      if (!equalBytes(slots.get(kept.place) ?? new Uint8Array(0), kept.value)) return false;
    }
  }
  const areCodesSame = [...codes].every(([hash, code]) => equalBytes(database.code(hash), code));
  return accountCount === accounts.size && slotCount === slots.size && areCodesSame;
}

/** What was sound so far. */
class Tally {
  spec: ChainSpec | undefined;
  head: StoredBlock | undefined;
  #blocks = 0;
  transactions = 0;
  #genesis: StoredBlock | undefined;

  add(block: StoredBlock): void {
    this.#genesis ??= block;
    this.head = block;
    this.#blocks += 1;
    this.transactions += block.transactionCount;
  }

  verdict(fault: ChainFault | null): ChainVerdict {
    const hexOf = (bytes: Uint8Array | undefined): Hex | null => (bytes === undefined ? null : `0x${toHex(bytes)}`);
    return {
      fault,
      blocks: this.#blocks,
      transactions: this.transactions,
      chainId: this.spec?.chainId ?? null,
      sealer: this.spec === undefined ? null : toHex(this.spec.sealer),
      genesisHash: hexOf(this.#genesis?.hash),
      headHash: hexOf(this.head?.hash),
      stateHash: hexOf(this.head?.stateHash),
    };
  }
}
