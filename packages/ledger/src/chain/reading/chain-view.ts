import { type Clock, raceSignal, type WaitOptions } from '@pulsemesh/base';
import { decodeFunctionResult, encodeFunctionData } from 'viem';
import { consentLedgerAbi as abi, codeHashOf } from '../../contract/index.ts';
import { LedgerStaleError, LedgerUnreachableError, LedgerWrongError } from '../../grants/errors.ts';
import type { Finality, GrantState } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import type { Ask } from '../rpc/json-rpc.ts';
import type { ProviderAnswer, ProviderPool } from '../rpc/provider-pool.ts';
import { ProviderFailure } from '../rpc/rpc-errors.ts';
import { type BlockTag, ChainAsker, type ChainBlock } from './chain-answers.ts';
import { grantStatuses } from './contract-events.ts';

/** When a block stays for good. */
export type ChainFinality =
  /** At once: one sealer, or a consortium that votes before it seals (QBFT). */
  | { readonly kind: 'sealed' }
  /** Once so many blocks follow it. */
  | { readonly kind: 'depth'; readonly blocks: number }
  /** When the chain itself says so (`finalized`). */
  | { readonly kind: 'finalized' };

/** The contract that is looked at. */
export interface ContractPlace {
  readonly chainId: number;
  readonly contract: Hex;
  /** As `codeHashOf` gives it. */
  readonly codeHash: Hex;
}

/** Whether a provider is the chain, and its contract the program, that the configuration names. @throws {LedgerWrongError}. */
export async function assertPlace(asker: ChainAsker, { chainId, contract, codeHash }: ContractPlace): Promise<void> {
  await assertChain(asker, chainId);
  const code = await asker.codeAt(contract);
  if (code === '0x') throw new LedgerWrongError('no-code', { expected: codeHash, found: 'none' });
  const found = codeHashOf('consentLedger', code);
  if (found !== codeHash) throw new LedgerWrongError('code-hash', { expected: codeHash, found });
}

/** @throws {LedgerWrongError}. */
export async function assertChain(asker: ChainAsker, chainId: number): Promise<void> {
  const found = await asker.chainId();
  if (found !== chainId) throw new LedgerWrongError('chain-id', { expected: String(chainId), found: String(found) });
}

export interface ChainViewOptions extends ContractPlace {
  readonly finality: ChainFinality;
  /** Null: blocks come only when something happens, so that an old head says nothing (embedded). */
  readonly headAgeMsMax: number | null;
  /** How many providers must say the same of a grant before it is relied on for good. */
  readonly agreeing: number;
}

/** What the contract says, read so that head and state belong together. Fails closed. */
export class ChainView {
  readonly #options: ChainViewOptions;
  readonly #pool: ProviderPool;
  readonly #clock: Clock;

  constructor(options: ChainViewOptions, { pool, clock }: { readonly pool: ProviderPool; readonly clock: Clock }) {
    this.#options = options;
    this.#pool = pool;
    this.#clock = clock;
  }

  /** Runs on one provider, with failover. */
  use<T>(action: (asker: ChainAsker) => Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#pool.use((ask: Ask, label) => action(new ChainAsker(ask, label)), options);
  }

  async stateOf(grantId: Hex, need: Finality, options?: WaitOptions): Promise<GrantState> {
    const { agreeing } = this.#options;
    const read = (ask: Ask, label: string) => this.#stateBy(new ChainAsker(ask, label), grantId, need);
    if (need === 'sealed' || agreeing === 1) return this.#pool.use(read, options);
    return firstAgreed(this.#pool.useAll(read, options), agreeing, options);
  }

  async #stateBy(asker: ChainAsker, grantId: Hex, need: Finality): Promise<GrantState> {
    const head = await this.freshHead(asker);
    const now = await this.#wordAt(asker, grantId, 'latest');
    const nowAllowed = this.#isAllowed(now, head);
    const final = need === 'final' ? await this.finalBlock(asker, head) : head;
    if (final.number === head.number) return { ...now, isAllowed: nowAllowed };
    const then = await this.#wordAt(asker, grantId, final.number);
    // Access that was given must stand for good; access that is taken ends at once.
    return { ...then, isAllowed: nowAllowed && this.#isAllowed(then, head) };
  }

  async creditOf(payee: Hex, token: Hex, options?: WaitOptions): Promise<bigint> {
    const data = encodeFunctionData({ abi, functionName: 'creditOf', args: [token, payee] });
    return this.use(async (asker) => {
      await this.freshHead(asker);
      return this.#amount(asker, 'creditOf', await this.#call(asker, data, 'latest'));
    }, options);
  }

  /** Which nonce the next signed withdrawal from a purse must carry. */
  async withdrawalNonceOf(payee: Hex, token: Hex, options?: WaitOptions): Promise<bigint> {
    const data = encodeFunctionData({ abi, functionName: 'nonceOf', args: [token, payee] });
    return this.use(async (asker) => {
      await this.freshHead(asker);
      return this.#amount(asker, 'nonceOf', await this.#call(asker, data, 'latest'));
    }, options);
  }

  /** The newest block. @throws {LedgerStaleError}. */
  async freshHead(asker: ChainAsker): Promise<ChainBlock> {
    const head = await asker.head();
    this.assertFresh(head);
    return head;
  }

  /** @throws {LedgerStaleError} for a head that is older than it may be. */
  assertFresh(head: ChainBlock): null {
    const { headAgeMsMax } = this.#options;
    const ageMs = this.headAgeMs(head);
    if (headAgeMsMax !== null && ageMs > headAgeMsMax) throw new LedgerStaleError(ageMs, headAgeMsMax);
    return null;
  }

  headAgeMs(head: ChainBlock): number {
    return Math.max(0, this.#clock.now() - head.timeMs);
  }

  /** The newest block that stays for good; the chain's first where there is none yet. */
  async finalBlock(asker: ChainAsker, head: ChainBlock): Promise<ChainBlock> {
    const { finality } = this.#options;
    if (finality.kind === 'sealed') return head;
    const deep = finality.kind === 'depth' ? head.number - BigInt(finality.blocks) : 0n;
    const tag: BlockTag = finality.kind === 'finalized' ? 'finalized' : deep < 0n ? 0n : deep;
    const block = await asker.block(tag);
    if (block === null || block.number > head.number) {
      throw new ProviderFailure(asker.label, 'form', { where: 'final block' });
    }
    return block;
  }

  async #wordAt(asker: ChainAsker, grantId: Hex, tag: BlockTag): Promise<Omit<GrantState, 'isAllowed'>> {
    const data = encodeFunctionData({ abi, functionName: 'stateOf', args: [grantId] });
    const answer = await this.#call(asker, data, tag);
    const [status, deadline] = decodedBy(asker, () =>
      decodeFunctionResult({ abi, functionName: 'stateOf', data: answer }),
    );
    const name = grantStatuses[status];
    if (name === undefined) throw new ProviderFailure(asker.label, 'form', { where: 'stateOf' });
    return { status: name, deadline };
  }

  /** By the chain's time and, since a chain may stand, by this machine's: whichever is later. */
  #isAllowed({ status, deadline }: Omit<GrantState, 'isAllowed'>, head: ChainBlock): boolean {
    return status === 'active' && Math.max(head.timeMs, this.#clock.now()) <= deadline * 1_000;
  }

  #amount(asker: ChainAsker, functionName: 'creditOf' | 'nonceOf', data: Hex): bigint {
    return decodedBy(asker, () => decodeFunctionResult({ abi, functionName, data }));
  }

  #call(asker: ChainAsker, data: Hex, tag: BlockTag): Promise<Hex> {
    return asker.call({ to: this.#options.contract, data }, tag);
  }
}

/** The first answer that enough providers gave. Settles as soon as there is one: those that are slow hold nothing up. */
function firstAgreed(
  answers: readonly Promise<ProviderAnswer<GrantState>>[],
  agreeing: number,
  options: WaitOptions = {},
): Promise<GrantState> {
  const counts = new Map<string, number>();
  const errors: unknown[] = [];
  const agreed = new Promise<GrantState>((resolve, reject) => {
    const counted = answers.map(async (answer) => {
      const given = await answer;
      if (!given.isGiven) return void errors.push(given.error);
      const { status, deadline, isAllowed } = given.value;
      const key = `${status} ${deadline} ${isAllowed}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      if (counts.get(key) === agreeing) resolve(given.value);
    });
    void Promise.all(counted).then(() => reject(disagreement(errors, counts.size)));
  });
  return raceSignal(agreed, options.signal);
}

function disagreement(errors: readonly unknown[], answerCount: number): Error {
  const known = errors.find((error) => error instanceof LedgerStaleError || error instanceof LedgerWrongError);
  if (known !== undefined && answerCount === 0) return known as Error; // both are errors
  const why = answerCount > 1 ? 'its providers say different things' : 'too few of its providers answer';
  return new LedgerUnreachableError(why, { cause: errors[0] });
}

/** An answer that is not what the function returns is the provider's fault. */
function decodedBy<T>(asker: ChainAsker, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new ProviderFailure(asker.label, 'form', { where: 'eth_call', cause: error });
  }
}
