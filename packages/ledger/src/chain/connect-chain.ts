import { raceSignal, type WaitOptions } from '@pulsemesh/base';
import type { TableStore } from '@pulsemesh/store';
import { encodeFunctionData } from 'viem';
import { consentLedgerAbi as abi, deployments, domainOf, offerIdOf } from '../contract/index.ts';
import { LedgerUnreachableError, LedgerWrongError, NoSignerError } from '../grants/errors.ts';
import type {
  DoneStep,
  Finality,
  GrantLedger,
  GrantState,
  LedgerEvent,
  LedgerStatus,
  LedgerStep,
} from '../grants/grant-ledger.ts';
import type { Hex, Offer } from '../offer/offer.ts';
import type { AccountSigner } from './accounts/local-signer.ts';
import { EventScanner } from './events/event-scanner.ts';
import { ChainAsker, type ChainBlock } from './reading/chain-answers.ts';
import { assertPlace, type ChainFinality, ChainView, type ContractPlace } from './reading/chain-view.ts';
import { type ChainDependencies, createProviderPool, type ProviderPool } from './rpc/provider-pool.ts';
import { Sender } from './sending/sender.ts';
import { type SendingOptions, sendingOptions } from './sending/sender-options.ts';
import { StepPerformer } from './sending/step-performer.ts';

export interface ConnectChainOptions extends SendingOptions {
  /** JSON-RPC addresses of the same chain, http or https, the preferred one first. */
  readonly urls: readonly string[];
  readonly chainId: number;
  readonly contract: Hex;
  /** As `codeHashOf` gives it; default: the contract this program was made with. */
  readonly codeHash?: Hex;
  /** Default `rpc`. */
  readonly kind?: 'embedded' | 'rpc';
  /** Default: at once for `embedded`, else the chain's own word (`finalized`). */
  readonly finality?: ChainFinality;
  /** A head older than this is not relied on, milliseconds; default 120,000, of `embedded` 300,000 (it seals an empty block each minute). Null: blocks come only with transactions. */
  readonly headAgeMsMax?: number | null;
  /**
   * How many providers must say the same of a grant's final state; default 2 with three addresses or more, so that one that lies releases
   * nothing and one that is away stops nothing, else 1: the one that answers is believed.
   */
  readonly agreeing?: number;
  /** The block the contract was deployed in; default 0. */
  readonly fromBlock?: bigint;
  /** Between two looks for new events, milliseconds; default 1,000. */
  readonly eventPollMs?: number;
  /** One question to a provider, milliseconds; default 10,000. */
  readonly requestMsMax?: number;
  readonly answerBytesMax?: number;
  /** Who seals blocks, where it is known; else the chain is asked (QBFT), and an empty list means that it does not say. */
  readonly sealers?: readonly string[];
  /** The account that steps are done with; null: this process only reads. */
  readonly signer: AccountSigner | null;
}

export interface ConnectChainDependencies extends ChainDependencies {
  /** Tables `ledger.*` of it: transactions under way, what was done, what was spent. Stays open; nobody else uses the signer's account. */
  readonly store: TableStore;
}

/** A consent contract on an EVM chain. */
export interface ChainLedger extends GrantLedger {
  readonly chainId: number;
  readonly contract: Hex;
  /** The account that steps are done with. */
  readonly account: Hex | null;
  /** The nonce that the next signed withdrawal from a purse carries. @throws as `stateOf`. */
  withdrawalNonceOf(payee: Hex, token: Hex, options?: WaitOptions): Promise<bigint>;
  /** The grant's id, computed here; the first one is compared with the contract's. @throws {LedgerWrongError}; as `stateOf`. */
  offerId(offer: Offer, options?: WaitOptions): Promise<Hex>;
  /** What the signer may still spend of a token; null: no signer, or no limits. */
  spendingLeft(token: Hex): { readonly today: bigint; readonly total: bigint } | null;
  /** Transactions sent and not yet final. */
  underWayCount(): number;
}

/**
 * Reaches the consent contract over JSON-RPC. Resolves also when no provider answers now: then each call says so until one does. What an
 * earlier run left under way is sent again as it was. Dispose it before the store.
 * @throws {LedgerWrongError} when what answers is another chain or contract; {RangeError} for options out of range.
 */
export async function connectChain(
  options: ConnectChainOptions,
  dependencies: ConnectChainDependencies,
): Promise<ChainLedger> {
  const codeHash = options.codeHash ?? deployments[0]?.codeHash ?? '0x';
  const place: ContractPlace = { chainId: options.chainId, contract: options.contract, codeHash };
  const { urls, requestMsMax, answerBytesMax } = options;
  const pool = createProviderPool(
    {
      urls,
      ...(requestMsMax === undefined ? {} : { requestMsMax }),
      ...(answerBytesMax === undefined ? {} : { answerBytesMax }),
      check: (ask, label) => assertPlace(new ChainAsker(ask, label), place),
    },
    dependencies,
  );
  try {
    await pool.use(async () => {});
  } catch (error) {
    if (!(error instanceof LedgerUnreachableError)) throw error;
    dependencies.logger.warn('ledger not reached at start: reads fail and nothing is released until it answers');
  }
  return new ConnectedChain(options, place, pool, dependencies);
}

class ConnectedChain implements ChainLedger {
  readonly chainId: number;
  readonly contract: Hex;
  readonly account: Hex | null;
  readonly #options: ConnectChainOptions;
  readonly #place: ContractPlace;
  readonly #pool: ProviderPool;
  readonly #view: ChainView;
  readonly #sender: Sender | null;
  readonly #performer: StepPerformer | null;
  readonly #dependencies: ConnectChainDependencies;
  readonly #closed = new AbortController();
  #idsAreCompared = false;
  #saysSealers = true;

  constructor(
    options: ConnectChainOptions,
    place: ContractPlace,
    pool: ProviderPool,
    dependencies: ConnectChainDependencies,
  ) {
    const isEmbedded = options.kind === 'embedded';
    const finality = options.finality ?? { kind: isEmbedded ? 'sealed' : 'finalized' };
    const headAgeMsMax = options.headAgeMsMax === undefined ? (isEmbedded ? 300_000 : 120_000) : options.headAgeMsMax;
    this.#options = options;
    this.#place = place;
    this.#pool = pool;
    this.#dependencies = dependencies;
    this.chainId = place.chainId;
    this.contract = place.contract;
    this.account = options.signer?.address ?? null;
    const agreeing = options.agreeing ?? (options.urls.length >= 3 ? 2 : 1);
    if (agreeing < 1 || agreeing > options.urls.length)
      throw new RangeError('no more providers can agree than there are');
    this.#view = new ChainView({ ...place, finality, headAgeMsMax, agreeing }, { pool, clock: dependencies.clock });
    const { signer } = options;
    const own = { ...dependencies, pool, view: this.#view };
    this.#sender =
      signer === null ? null : new Sender({ ...sendingOptions(options), chainId: this.chainId, signer }, own);
    this.#performer =
      signer === null || this.#sender === null
        ? null
        : new StepPerformer(
            { ...place, account: signer.address, fromBlock: options.fromBlock ?? 0n },
            { view: this.#view, sender: this.#sender },
          );
  }

  async status(options?: WaitOptions): Promise<LedgerStatus> {
    this.#closed.signal.throwIfAborted();
    return this.#view.use(async (asker) => {
      const head = await asker.head();
      const final = await this.#view.finalBlock(asker, head);
      return {
        kind: this.#options.kind ?? 'rpc',
        chainId: this.chainId,
        contract: this.contract,
        head: head.number,
        finalized: final.number,
        headAgeMs: this.#view.headAgeMs(head),
        sealers: this.#options.sealers ?? (await this.#sealers(asker, head)),
        codeHash: this.#place.codeHash,
      };
    }, options);
  }

  async stateOf(grantId: Hex, need: Finality, options?: WaitOptions): Promise<GrantState> {
    this.#closed.signal.throwIfAborted();
    return this.#view.stateOf(grantId, need, options);
  }

  async creditOf(payee: Hex, token: Hex, options?: WaitOptions): Promise<bigint> {
    this.#closed.signal.throwIfAborted();
    return this.#view.creditOf(payee, token, options);
  }

  async withdrawalNonceOf(payee: Hex, token: Hex, options?: WaitOptions): Promise<bigint> {
    this.#closed.signal.throwIfAborted();
    return this.#view.withdrawalNonceOf(payee, token, options);
  }

  async offerId(offer: Offer, options?: WaitOptions): Promise<Hex> {
    const id = offerIdOf(offer, domainOf(this.chainId, this.contract));
    if (this.#idsAreCompared) return id;
    const data = encodeFunctionData({ abi, functionName: 'offerId', args: [offer] });
    const found = await this.#view.use((asker) => asker.call({ to: this.contract, data }, 'latest'), options);
    if (found !== id) throw new LedgerWrongError('code-hash', { expected: id, found });
    this.#idsAreCompared = true;
    return id;
  }

  async perform(step: LedgerStep, options: WaitOptions = {}): Promise<DoneStep> {
    this.#closed.signal.throwIfAborted();
    if (this.#performer === null) throw new NoSignerError();
    return raceSignal(this.#performer.perform(step, options), options.signal);
  }

  async *events(from: bigint, options: { readonly signal: AbortSignal }): AsyncGenerator<LedgerEvent> {
    const { contract, fromBlock = 0n, eventPollMs = 1_000 } = this.#options;
    const scanner = new EventScanner(
      { contract, fromBlock, pollMs: eventPollMs },
      { ...this.#dependencies, pool: this.#pool, view: this.#view },
    );
    yield* scanner.scan(from, AbortSignal.any([options.signal, this.#closed.signal]));
  }

  spendingLeft(token: Hex): { readonly today: bigint; readonly total: bigint } | null {
    return this.#sender?.spending.left(token, this.#dependencies.clock.now()) ?? null;
  }

  underWayCount(): number {
    return this.#sender?.count ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new LedgerUnreachableError('it is closed'));
    await this.#sender?.[Symbol.asyncDispose]();
  }

  /** The embedded chain's key stands in its blocks; a QBFT network names its validators; others say nothing, and are not asked again. */
  async #sealers(asker: ChainAsker, head: ChainBlock): Promise<readonly string[]> {
    if (this.#options.kind === 'embedded') return head.extraData === null ? [] : [head.extraData];
    if (!this.#saysSealers) return [];
    const sealers = await asker.validators();
    if (sealers === null) this.#saysSealers = false;
    return sealers ?? [];
  }
}
