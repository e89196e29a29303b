import type { Common } from '@ethereumjs/common';
import { verifySignature } from '@pulsemesh/crypto';
import { equalBytes } from '@pulsemesh/wire';
import { type ChainSpec, createRules, type HeaderFields, type StoredBlock, sealMessage } from '../chain/block.ts';
import { BlockDraft, type FinishedDraft } from '../execution/block-draft.ts';
import { Executor } from '../execution/executor.ts';
import { createGenesis } from '../execution/genesis.ts';
import { RecoveredKeys } from '../execution/recover-key.ts';
import { readTransaction, withSender } from '../execution/signed-transaction.ts';
import { FlatState } from '../state/flat-state.ts';
import { MemoryState } from '../state/memory-state.ts';

/** A sealed block with its transactions as they were signed: all that is needed to execute it again. */
export interface SealedBlock extends StoredBlock {
  readonly raw: readonly Uint8Array[];
}

/**
 * What may be wrong with a chain. `spec` the constants do not make the genesis that is there · `genesis`, `sealer`, `block` it is not the one that
 * was expected · `number`, `parent`, `time` it does not follow on · `transaction` one cannot stand there · `transactions`, `gas`, `receipts`, `state`
 * executing again gives something else · `hash` of a header · `seal` · `kept` what is kept for reading is not what came out · `pages` the database.
 */
export type ChainFaultKind =
  | 'spec'
  | 'genesis'
  | 'sealer'
  | 'block'
  | 'number'
  | 'parent'
  | 'time'
  | 'transaction'
  | 'transactions'
  | 'gas'
  | 'receipts'
  | 'state'
  | 'hash'
  | 'seal'
  | 'kept'
  | 'pages';

/** The first thing that is wrong, and where. */
export interface ChainFault {
  readonly kind: ChainFaultKind;
  /** Null: the chain as a whole. */
  readonly block: number | null;
}

/** Executes a chain's blocks again, one after another from the genesis, in a state of its own. */
export class Replay {
  readonly state = new MemoryState();
  readonly #spec: ChainSpec;
  readonly #rules: Common;
  readonly #executor: Executor;
  /** The last 256 and a few: what BLOCKHASH can ask for. */
  readonly #hashes: Map<number, Uint8Array>;
  #parent: StoredBlock | undefined;

  private constructor(
    spec: ChainSpec,
    parts: { rules: Common; executor: Executor; state: MemoryState; hashes: Map<number, Uint8Array> },
  ) {
    this.#spec = spec;
    this.#rules = parts.rules;
    this.#executor = parts.executor;
    this.#hashes = parts.hashes;
    this.state = parts.state;
  }

  static async create(spec: ChainSpec): Promise<Replay> {
    const state = new MemoryState();
    const hashes = new Map<number, Uint8Array>();
    const rules = createRules(spec.chainId, new RecoveredKeys().recover);
    const executor = await Executor.create(rules, new FlatState(state), {
      hashOf: (number) => hashes.get(number) ?? null,
    });
    return new Replay(spec, { rules, executor, state, hashes });
  }

  /** Takes the next block; returns what came of it, or what is wrong with it. */
  async take(block: SealedBlock): Promise<FinishedDraft | ChainFault> {
    const fault = (kind: ChainFaultKind): ChainFault => ({ kind, block: block.number });
    const parent = this.#parent;
    if (block.number !== (parent === undefined ? 0 : parent.number + 1)) return fault('number');
    if (parent !== undefined && !equalBytes(block.parentHash, parent.hash)) return fault('parent');
    if (parent !== undefined && block.timestamp < parent.timestamp) return fault('time');
    const made = parent === undefined ? createGenesis(this.#spec, this.#rules) : await this.#execute(parent, block);
    if (made === null) return fault('transaction');
    const difference = differenceOf(made.block, block);
    if (difference !== null) return fault(parent === undefined ? 'spec' : difference);
    if (!verifySignature(this.#spec.sealer, sealMessage(block.hash), block.seal)) return fault('seal');
    this.state.apply(made.changes);
    this.#parent = block;
    this.#hashes.set(block.number, block.hash);
    this.#hashes.delete(block.number - 300);
    return made;
  }

  /** Null: a transaction may not stand where it stands. */
  async #execute(parent: StoredBlock, { timestamp, raw }: SealedBlock): Promise<FinishedDraft | null> {
    const draft = new BlockDraft(this.#spec, this.#rules, this.#executor, parent, timestamp);
    try {
      for (const bytes of raw) {
        const signed = withSender(readTransaction(bytes, this.#rules), bytes);
        if (!draft.hasRoomFor(signed.tx.gasLimit)) return null;
        await draft.add(signed);
      }
    } catch {
      return null;
    }
    return draft.finish();
  }
}

function differenceOf(made: HeaderFields & { readonly hash: Uint8Array }, kept: StoredBlock): ChainFaultKind | null {
  if (!equalBytes(made.transactionsHash, kept.transactionsHash)) return 'transactions';
  if (made.gasUsed !== kept.gasUsed) return 'gas';
  if (!equalBytes(made.receiptsHash, kept.receiptsHash)) return 'receipts';
  if (!equalBytes(made.stateHash, kept.stateHash)) return 'state';
  return equalBytes(made.hash, kept.hash) && equalBytes(made.parentHash, kept.parentHash) ? null : 'hash';
}
