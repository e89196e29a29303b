import { errorForLog, sleep } from '@pulsemesh/base';
import type { LedgerEvent } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';
import { ChainAsker, type ChainBlock, type ChainLog } from '../reading/chain-answers.ts';
import type { ChainView } from '../reading/chain-view.ts';
import { eventOf } from '../reading/contract-events.ts';
import type { ChainDependencies, ProviderAnswer, ProviderPool } from '../rpc/provider-pool.ts';
import { isPassing, ProviderFailure, RpcError } from '../rpc/rpc-errors.ts';
import { mayHoldLogsOf } from './log-bloom.ts';
import { logsFrom, RangeSize } from './range-logs.ts';

export interface EventScannerOptions {
  readonly contract: Hex;
  /** The block the contract was deployed in, or an earlier one. */
  readonly fromBlock: bigint;
  /** Between two looks for new blocks, milliseconds. */
  readonly pollMs: number;
}

interface EventScannerDependencies extends ChainDependencies {
  readonly pool: ProviderPool;
  readonly view: ChainView;
}

/** How long other providers are waited for when logs are compared, milliseconds. */
const compareMsMax = 3_000;

/** Final blocks up to one, with all that the contract said in them. */
interface Stretch {
  readonly until: bigint;
  /** The newest blocks of it, oldest first, with the last. */
  readonly blocks: readonly ChainBlock[];
  readonly events: readonly LedgerEvent[];
}

/**
 * Reads the contract's events off final blocks, in order and each once.
 *
 * What is checked: that logs are the contract's, in the range asked for, each once; that blocks follow each other by their hashes from one
 * stretch to the next; and that none is left out: where there are several providers a second one is asked for the same range, and for
 * the last {@link chainLimits}.bloomBlocksMax blocks each header's bloom, and where it speaks of the contract, the block's receipts.
 * A single provider that also forges headers is believed.
 */
export class EventScanner {
  readonly #options: EventScannerOptions;
  readonly #dependencies: EventScannerDependencies;
  readonly #size = new RangeSize();
  /** Final blocks that were read, oldest first: where a later stretch must join. */
  readonly #joints: ChainBlock[] = [];

  constructor(options: EventScannerOptions, dependencies: EventScannerDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** For one reader: make a scanner for each. */
  async *scan(from: bigint, signal: AbortSignal): AsyncGenerator<LedgerEvent> {
    const { clock, logger, meter } = this.#dependencies;
    const first = from > this.#options.fromBlock ? from : this.#options.fromBlock;
    let next = first;
    let failuresInRow = 0;
    while (!signal.aborted) {
      try {
        const stretch = await this.#stretch(next, signal);
        failuresInRow = 0;
        if (stretch === 'other-branch') {
          next = await this.#branchPoint(first, signal);
          continue;
        }
        if (stretch !== null) {
          for (const block of stretch.blocks) this.#remember(block);
          next = stretch.until + 1n;
          yield* stretch.events;
          continue;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) throw error;
        failuresInRow += 1;
        meter.counter('ledger_event_failures_total', 'looks for events that failed').add();
        logger[failuresInRow === 1 ? 'warn' : 'debug']('ledger events not read for now', errorForLog(error));
      }
      await sleep(clock, this.#options.pollMs, { signal }).catch(() => {});
    }
  }

  /** Null: nothing new is final. */
  async #stretch(next: bigint, signal: AbortSignal): Promise<Stretch | 'other-branch' | null> {
    const { view, pool } = this.#dependencies;
    return pool.use(
      async (ask, label) => {
        const asker = new ChainAsker(ask, label);
        const head = await asker.head();
        const final = await view.finalBlock(asker, head);
        if (final.number < next) return view.assertFresh(head); // one that lags may have a neighbour that does not
        if (!(await this.#joins(asker, next))) return 'other-branch';
        const { contract } = this.#options;
        const { logs, until } = await logsFrom(
          asker,
          { address: contract, from: next, until: final.number },
          this.#size,
        );
        const headers = await this.#headers(asker, next, until, final, logs);
        const blocks = [...headers.values()].sort((one, other) => (one.number < other.number ? -1 : 1));
        await this.#assertComplete(asker, logs, headers, { from: next, until });
        return {
          until,
          blocks: blocks.slice(-chainLimits.branchBlocksMax),
          events: eventsOf(logs, headers, asker.label),
        };
      },
      { signal },
    );
  }

  /** Whether the block before `next` is still the one that was read. */
  async #joins(asker: ChainAsker, next: bigint): Promise<boolean> {
    const joint = this.#joints.at(-1);
    if (joint === undefined || joint.number !== next - 1n) return true;
    const block = await asker.block(joint.number);
    if (block === null) throw new ProviderFailure(asker.label, 'form', { where: 'block before' });
    return block.hash === joint.hash;
  }

  /** Headers of blocks with logs, of the last one, and of those whose bloom is to be seen. */
  async #headers(
    asker: ChainAsker,
    from: bigint,
    until: bigint,
    final: ChainBlock,
    logs: readonly ChainLog[],
  ): Promise<ReadonlyMap<bigint, ChainBlock>> {
    const wanted = new Set([until, ...logs.map(({ at }) => at)]);
    const oldest = final.number - BigInt(chainLimits.bloomBlocksMax) + 1n;
    for (let number = from > oldest ? from : oldest; number <= until; number += 1n) wanted.add(number);
    const numbers = [...wanted];
    const found = new Map<bigint, ChainBlock>();
    for (let start = 0; start < numbers.length; start += chainLimits.headersAtOnceMax) {
      const some = numbers.slice(start, start + chainLimits.headersAtOnceMax);
      for (const block of await Promise.all(some.map((number) => asker.block(number)))) {
        if (block === null) throw new ProviderFailure(asker.label, 'form', { where: 'block of range' });
        found.set(block.number, block);
      }
    }
    for (const log of logs) {
      if (found.get(log.at)?.hash !== log.blockHash)
        throw new ProviderFailure(asker.label, 'form', { where: 'log of another block' });
    }
    return found;
  }

  async #assertComplete(
    asker: ChainAsker,
    logs: readonly ChainLog[],
    headers: ReadonlyMap<bigint, ChainBlock>,
    { from, until }: { readonly from: bigint; readonly until: bigint },
  ): Promise<void> {
    const { contract } = this.#options;
    const told = new Set(logs.map(({ at }) => at));
    for (const block of headers.values()) {
      if (told.has(block.number) || block.number < from) continue;
      if (block.logsBloom === null || !mayHoldLogsOf(block.logsBloom, contract)) continue;
      if ((await this.#receiptLogs(asker, block)) > 0) this.#leftOut(asker);
    }
    await this.#compare(asker, logs, { from, until });
  }

  /** How many logs the block's receipts hold; one that does not offer receipts is asked for the block alone. */
  async #receiptLogs(asker: ChainAsker, block: ChainBlock): Promise<number> {
    const { contract } = this.#options;
    try {
      return (await asker.logsOfReceipts(block, contract)).length;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return (await asker.logs({ address: contract, from: block.number, until: block.number })).length;
    }
  }

  /** What the others say of the same blocks: more is a sign that this one left something out. Those that fail, or lag, are not counted. */
  async #compare(asker: ChainAsker, logs: readonly ChainLog[], range: { from: bigint; until: bigint }): Promise<void> {
    const { pool } = this.#dependencies;
    if (pool.size < 2) return;
    const known = new Set(logs.map(keyOf));
    const filter = { address: this.#options.contract, ...range };
    const answers = pool.useAll(async (ask, label) => {
      if (label === asker.label) return [];
      const other = new ChainAsker(ask, label);
      return other.logs(filter);
    });
    for (const answer of await this.#givenInTime(answers)) {
      for (const log of answer) {
        if (known.has(keyOf(log))) continue;
        // It may be of a block that this provider never had: only one that both have counts.
        const block = await asker.block(log.at);
        if (block?.hash === log.blockHash) this.#leftOut(asker);
      }
    }
  }

  /** Those given soon: one that is slow holds nothing up, and an error says nothing about what is left out. */
  async #givenInTime<T>(answers: readonly Promise<ProviderAnswer<T>>[]): Promise<readonly T[]> {
    const given: T[] = [];
    const all = answers.map(async (answer) => {
      const settled = await answer;
      if (settled.isGiven) given.push(settled.value);
    });
    const patience = new AbortController();
    const late = sleep(this.#dependencies.clock, compareMsMax, { signal: patience.signal }).catch(() => {});
    await Promise.race([Promise.all(all), late]);
    patience.abort();
    return [...given];
  }

  #leftOut(asker: ChainAsker): never {
    const { logger, meter } = this.#dependencies;
    meter.counter('ledger_events_withheld_total', 'ranges in which a provider left events out').add();
    logger.error('ledger provider leaves events out: use another', { provider: asker.label });
    throw new ProviderFailure(asker.label, 'form', { where: 'events left out' });
  }

  #remember(block: ChainBlock): void {
    this.#joints.push(block);
    if (this.#joints.length > chainLimits.branchBlocksMax) this.#joints.shift();
  }

  /** The chain took back what it had called final. Its events are read again from the last block that is still there. */
  async #branchPoint(first: bigint, signal: AbortSignal): Promise<bigint> {
    const { view, logger, meter } = this.#dependencies;
    meter.counter('ledger_final_blocks_reorganised_total', 'times that final blocks were taken back').add();
    logger.error(
      'ledger took back blocks it had called final: wait for more blocks (finality), or do not trust its sealer',
    );
    for (let joint = this.#joints.pop(); joint !== undefined; joint = this.#joints.pop()) {
      const { number, hash } = joint;
      const block = await view.use((asker) => asker.block(number), { signal });
      if (block?.hash !== hash) continue;
      this.#joints.push(joint);
      return number + 1n;
    }
    return first;
  }
}

function keyOf(log: ChainLog): string {
  return `${log.blockHash}/${log.place}`;
}

function eventsOf(logs: readonly ChainLog[], headers: ReadonlyMap<bigint, ChainBlock>, label: string): LedgerEvent[] {
  return logs.flatMap((log) => {
    const block = headers.get(log.at);
    if (block === undefined) throw new ProviderFailure(label, 'form', { where: 'block of log' });
    const event = eventOf(log, block.timeMs);
    return event === null ? [] : [event];
  });
}
