import { type Clock, errorForLog, type Logger, type Meter, type Random, type WaitOptions } from '@pulsemesh/base';
import { LedgerStaleError, LedgerUnreachableError, LedgerWrongError } from '../../grants/errors.ts';
import { chainLimits } from '../chain-limits.ts';
import { type Ask, createJsonRpc } from './json-rpc.ts';
import { ProviderFailure, RpcError } from './rpc-errors.ts';

export interface ProviderPoolOptions {
  /** One to {@link chainLimits}.providersMax addresses; the first is asked first until another proves better. */
  readonly urls: readonly string[];
  readonly requestMsMax?: number;
  readonly answerBytesMax?: number;
  /** Whether a provider is the configured chain: run before it is first used, after it failed and from time to time. @throws {LedgerWrongError}. */
  readonly check: (ask: Ask, label: string) => Promise<void>;
}

export interface ChainDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What asking one provider came to. */
export type ProviderAnswer<T> =
  | { readonly isGiven: true; readonly value: T }
  | { readonly isGiven: false; readonly error: unknown };

/** Several providers of one chain, of which none is trusted to answer, and none to be the right chain before it showed it. */
export interface ProviderPool {
  /**
   * Runs `action` on the best provider; where that fails, lags or turns out to be another chain, on the next. All that must be of one
   * piece (a head and what is read at it) belongs into one action.
   * @throws {LedgerWrongError} when all are another chain; {LedgerStaleError}; {LedgerUnreachableError}; {RpcError} for a revert; what `action` throws.
   */
  use<T>(action: (ask: Ask, label: string) => Promise<T>, options?: WaitOptions): Promise<T>;
  /**
   * Runs `action` on every provider at once, an answer of each: a transaction is handed to all, what one may hide is asked of others.
   * None of the answers rejects.
   */
  useAll<T>(
    action: (ask: Ask, label: string) => Promise<T>,
    options?: WaitOptions,
  ): readonly Promise<ProviderAnswer<T>>[];
  readonly size: number;
}

/** @throws {RangeError} for no address, too many, or one that is not http(s). */
export function createProviderPool(options: ProviderPoolOptions, dependencies: ChainDependencies): ProviderPool {
  const { urls } = options;
  if (urls.length === 0 || urls.length > chainLimits.providersMax) {
    throw new RangeError(`a ledger has 1 to ${chainLimits.providersMax} providers`);
  }
  return new Providers(
    urls.map((url, index) => new Provider(url, index, options, dependencies)),
    dependencies,
  );
}

class Providers implements ProviderPool {
  readonly #providers: readonly Provider[];
  readonly #dependencies: ChainDependencies;
  #current: Provider | null = null;

  constructor(providers: readonly Provider[], dependencies: ChainDependencies) {
    this.#providers = providers;
    this.#dependencies = dependencies;
  }

  get size(): number {
    return this.#providers.length;
  }

  async use<T>(action: (ask: Ask, label: string) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    const errors: unknown[] = [];
    for (const provider of this.#ranked()) {
      options.signal?.throwIfAborted();
      try {
        const value = await provider.run(action, options);
        this.#current = provider;
        return value;
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!mayAnotherDoBetter(error)) throw error;
        errors.push(error);
      }
    }
    throw worstOf(errors);
  }

  useAll<T>(
    action: (ask: Ask, label: string) => Promise<T>,
    options: WaitOptions = {},
  ): readonly Promise<ProviderAnswer<T>>[] {
    return this.#providers.map(async (provider): Promise<ProviderAnswer<T>> => {
      try {
        return { isGiven: true, value: await provider.run(action, options) };
      } catch (error) {
        return { isGiven: false, error };
      }
    });
  }

  /** The current one stays first until another is clearly better: changing between providers shows heads that go to and fro. */
  #ranked(): readonly Provider[] {
    const nowMs = this.#dependencies.clock.monotonicMs();
    const ranked = [...this.#providers].sort((one, other) => one.score(nowMs) - other.score(nowMs));
    const [best] = ranked;
    const current = this.#current;
    if (current === null || best === undefined || current === best) return ranked;
    if (current.score(nowMs) > 2 * best.score(nowMs) + stickinessMs) return ranked;
    return [current, ...ranked.filter((provider) => provider !== current)];
  }
}

const stickinessMs = 50;
const failureScoreMs = 1_000;
const awayScoreMs = 100_000;
const latencyShare = 0.2;

class Provider {
  readonly #label: string;
  readonly #ask: Ask;
  readonly #check: ProviderPoolOptions['check'];
  readonly #dependencies: ChainDependencies;
  readonly #index: number;
  #latencyMs = 0;
  #failuresInRow = 0;
  #retryAtMs = 0;
  #checkedAtMs: number | null = null;
  #checking: Promise<void> | null = null;

  constructor(url: string, index: number, options: ProviderPoolOptions, dependencies: ChainDependencies) {
    const { protocol, host } = new URL(url);
    if (protocol !== 'http:' && protocol !== 'https:')
      throw new RangeError('a provider has an address with http or https');
    this.#index = index;
    this.#label = `${index + 1} (${host})`;
    const { requestMsMax, answerBytesMax } = options;
    this.#ask = createJsonRpc(
      {
        url,
        label: this.#label,
        ...(requestMsMax === undefined ? {} : { requestMsMax }),
        ...(answerBytesMax === undefined ? {} : { answerBytesMax }),
      },
      dependencies,
    );
    this.#check = options.check;
    this.#dependencies = dependencies;
  }

  /** Milliseconds, about: less is better. */
  score(nowMs: number): number {
    const isAway = nowMs < this.#retryAtMs;
    return this.#latencyMs + this.#failuresInRow * failureScoreMs + (isAway ? awayScoreMs : 0) + this.#index / 1_000;
  }

  async run<T>(action: (ask: Ask, label: string) => Promise<T>, options: WaitOptions): Promise<T> {
    const ask: Ask = (method, params, own = options) => this.#ask(method, params, own);
    const startMs = this.#dependencies.clock.monotonicMs();
    try {
      await this.#assertChecked();
      const value = await action(ask, this.#label);
      this.#succeeded(this.#dependencies.clock.monotonicMs() - startMs);
      return value;
    } catch (error) {
      if (!options.signal?.aborted && isProvidersFault(error)) this.#failed(error);
      throw error;
    }
  }

  /** One check at a time, whoever asks; without the asker's signal, since others wait for it too. */
  async #assertChecked(): Promise<void> {
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (this.#checkedAtMs !== null && nowMs - this.#checkedAtMs < chainLimits.recheckMs) return;
    this.#checking ??= this.#check(this.#ask, this.#label)
      .then(() => {
        this.#checkedAtMs = this.#dependencies.clock.monotonicMs();
      })
      .finally(() => {
        this.#checking = null;
      });
    await this.#checking;
  }

  #succeeded(tookMs: number): void {
    if (this.#failuresInRow > 0)
      this.#dependencies.logger.info('ledger provider answers again', { provider: this.#label });
    this.#failuresInRow = 0;
    this.#retryAtMs = 0;
    this.#latencyMs += latencyShare * (tookMs - this.#latencyMs);
  }

  /** What comes back after a failure may be another machine: it is checked anew. */
  #failed(error: unknown): void {
    const { clock, random, logger, meter } = this.#dependencies;
    if (!(error instanceof RpcError) && !(error instanceof LedgerStaleError)) this.#checkedAtMs = null;
    this.#failuresInRow += 1;
    const doubled = chainLimits.backOffMs * 2 ** Math.min(this.#failuresInRow - 1, 10);
    const waitMs = Math.min(chainLimits.backOffMsMax, doubled) * (0.5 + random.float() / 2);
    this.#retryAtMs = clock.monotonicMs() + waitMs;
    const { code, text } = errorForLog(error);
    meter.counter('ledger_provider_failures_total', 'failures of the ledger’s providers', ['code']).add(1, { code });
    const level = error instanceof LedgerWrongError ? 'error' : this.#failuresInRow === 1 ? 'warn' : 'debug';
    logger[level]('ledger provider failed', { provider: this.#label, code, text, failuresInRow: this.#failuresInRow });
  }
}

function mayAnotherDoBetter(error: unknown): boolean {
  if (error instanceof RpcError) return !error.isRevert;
  return error instanceof ProviderFailure || error instanceof LedgerStaleError || error instanceof LedgerWrongError;
}

/** -32000 and what is above zero speak of the question: too little money, a nonce that is used, a block that is not there yet. */
function isProvidersFault(error: unknown): boolean {
  if (error instanceof RpcError) return error.rpcCode < 0 && error.rpcCode !== -32_000 && error.rpcCode !== -32_003;
  return mayAnotherDoBetter(error);
}

function worstOf(errors: readonly unknown[]): unknown {
  const wrong = errors.find((error) => error instanceof LedgerWrongError);
  if (wrong !== undefined && errors.every((error) => error instanceof LedgerWrongError)) return wrong;
  const stale = errors.find((error) => error instanceof LedgerStaleError);
  if (stale !== undefined) return stale;
  const last = errors.at(-1);
  const why = last instanceof ProviderFailure ? last.message : 'no provider gives a usable answer';
  return new LedgerUnreachableError(why, { cause: last });
}
