import { type Clock, errorForLog, type Logger, type WaitOptions } from '@pulsemesh/base';
import {
  type Author,
  type Board,
  BoardLiedError,
  BoardUnreachableError,
  type EntryBodies,
  EntryRefusedError,
} from '@pulsemesh/board';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import type { ConsentDomain } from '../contract/typed-data.ts';
import { LedgerRefusedError, LedgerStaleError, LedgerUnreachableError, NoSignerError } from '../grants/errors.ts';
import { followEvents } from '../grants/follow-events.ts';
import type {
  DoneStep,
  Finality,
  GrantLedger,
  GrantState,
  LedgerEvent,
  LedgerStatus,
  LedgerStep,
} from '../grants/grant-ledger.ts';
import type { AccountBinding } from '../market/messages.ts';
import { bindingDigestOf, createBinding } from '../offer/binding.ts';
import type { Hex } from '../offer/offer.ts';
import type { LedgerSigner } from '../offer/signing.ts';
import type { SignatureVerifiers } from '../offer/verify-signature.ts';
import { bulletinDomain } from './bulletin-account.ts';
import { BulletinState, effectOf } from './bulletin-state.ts';
import { type BulletinStep, grantEntry } from './grant-entry.ts';

export interface BulletinLedgerOptions {
  /** Not disposed with the ledger. */
  readonly board: Board;
  /** Signs this process's entries. */
  readonly author: Author;
  /** The account that offers name as buyer; null: this process takes up none. */
  readonly buyer: LedgerSigner | null;
  /** Who countersigns the board, as pages show it. */
  readonly sealers?: readonly string[];
  /** Reads fail when the board was not heard of for longer; default ten minutes. */
  readonly headAgeMsMax?: number;
  /** The board is asked for what is new at most this often; default one second. */
  readonly refreshMs?: number;
  /** Of another deployment's offers, in tests. */
  readonly domain?: ConsentDomain;
  readonly verifiers?: SignatureVerifiers;
}

export interface BulletinLedgerDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
}

const bindingForMs = 24 * 3600_000;
const noVerifiers: SignatureVerifiers = { p256: null, webAuthn: null };

/**
 * The ledger where a place wants no chain: the same grants without money, on the public board. Each step is an entry that carries the signatures
 * which make it one, so that strangers cannot take up, confirm or revoke. An entry is final once it is verified under the quorum's checkpoint.
 */
export function openBulletinLedger(
  options: BulletinLedgerOptions,
  dependencies: BulletinLedgerDependencies,
): GrantLedger {
  return new BulletinLedger(options, dependencies);
}

class BulletinLedger implements GrantLedger {
  readonly #options: BulletinLedgerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #state: BulletinState;
  readonly #watching: Disposable;
  readonly #wakes = new Set<() => void>();
  readonly #closing = new AbortController();
  /** Entries are judged one after the other: signatures take a moment. */
  #judged: Promise<void> = Promise.resolve();
  #heardMs: number;

  constructor(options: BulletinLedgerOptions, { clock, logger }: BulletinLedgerDependencies) {
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#heardMs = Number.NEGATIVE_INFINITY;
    this.#state = new BulletinState(options.domain ?? bulletinDomain, options.verifiers ?? noVerifiers);
    this.#watching = options.board.onEntry((entry) => {
      if (entry.kind !== 'grant' && entry.kind !== 'anchor') return;
      this.#judged = this.#judged
        .then(() => this.#state.take(entry))
        .then(
          () => this.#wake(),
          (error: unknown) => this.#note(error),
        );
    });
  }

  async status(options: WaitOptions = {}): Promise<LedgerStatus> {
    await this.#refresh(options);
    const head = BigInt(this.#options.board.size);
    return {
      kind: 'board',
      chainId: 0,
      contract: null,
      head,
      finalized: head,
      headAgeMs: this.#clock.now() - this.#heardMs,
      sealers: this.#options.sealers ?? [],
      codeHash: null,
    };
  }

  async stateOf(grantId: Hex, _need: Finality, options: WaitOptions = {}): Promise<GrantState> {
    await this.#refresh(options);
    const ageMs = this.#clock.now() - this.#heardMs;
    const { headAgeMsMax = 10 * 60_000 } = this.#options;
    if (ageMs > headAgeMsMax) throw new LedgerStaleError(ageMs, headAgeMsMax);
    return this.#state.stateOf(grantId, this.#clock.now());
  }

  async creditOf(): Promise<bigint> {
    return 0n;
  }

  async perform(step: LedgerStep, options: WaitOptions = {}): Promise<DoneStep> {
    switch (step.step) {
      case 'purchase': {
        const { buyer } = this.#options;
        if (buyer === null || step.grants.some(({ offer }) => offer.buyer !== buyer.signer)) throw new NoSignerError();
        const binding = await this.#binding(buyer);
        const steps = step.grants.map(({ offer, grantId, signature }) => {
          return [grantId, { step: 'purchase', offer, signature, buyer: binding }] as const;
        });
        return this.#doAll(steps, options);
      }
      case 'confirm': {
        const steps = step.grants.map(
          (grant) => [this.#state.idOf(grant.offer), { step: 'confirm', ...grant }] as const,
        );
        return this.#doAll(steps, options);
      }
      case 'refund':
        return this.#doAll([[this.#state.idOf(step.offer), { step: 'refund', offer: step.offer }]], options);
      case 'revoke':
        return this.#doAll([[this.#state.idOf(step.offer), step]], options);
      case 'log-access':
        return this.#doAll([[step.grantId, { step: 'access', entry: step.entry }]], options);
      case 'anchor': {
        const body = { about: 'access', root: step.root.slice(2), count: Number(step.count) } as const;
        return this.#publish('anchor', body, options);
      }
      default:
        throw new LedgerRefusedError('not-on-a-board', 'there is no money on a board, and nothing to settle about it');
    }
  }

  events(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<LedgerEvent> {
    const until = AbortSignal.any([signal, this.#closing.signal]);
    return followEvents(() => this.#state.events, this.#wakes, { from, signal: until });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#watching[Symbol.dispose]();
    await this.#judged;
  }

  /** One entry after the other; those that are there already are left out. @throws {LedgerRefusedError}. */
  async #doAll(steps: readonly (readonly [Hex, BulletinStep])[], options: WaitOptions): Promise<DoneStep> {
    await this.#refresh(options);
    let done: DoneStep | null = null;
    for (const [grantId, step] of steps) done = await this.#do(grantId, step, options);
    if (done === null) throw new LedgerRefusedError('nothing-to-do');
    return done;
  }

  async #do(grantId: Hex, step: BulletinStep, options: WaitOptions): Promise<DoneStep> {
    const effect = effectOf(grantId, step);
    const before = this.#state.doneBefore(effect);
    if (before !== null) return { ...before, gasUsed: 0n };
    if (step.step !== 'access') {
      const author = peerIdOfEd25519(this.#options.author.publicKey);
      const judged = await this.#state.judge(grantId, step, { author, createdMs: this.#clock.now() });
      if ('refusal' in judged) throw new LedgerRefusedError(judged.refusal);
    }
    await this.#publish('grant', grantEntry(grantId, step), options);
    const after = this.#state.doneBefore(effect);
    // Another step came before it.
    if (after === null) throw new LedgerRefusedError('WrongStatus');
    return { ...after, gasUsed: 0n };
  }

  async #publish<Kind extends 'grant' | 'anchor'>(
    kind: Kind,
    body: EntryBodies[Kind],
    options: WaitOptions,
  ): Promise<DoneStep> {
    const { board, author } = this.#options;
    try {
      const { id, index } = await board.publish(kind, body, author, options);
      this.#heardMs = this.#clock.now();
      // The entry itself may be read a little later than its publication is known.
      if (board.entry(id) === null) await board.refresh(options);
      await this.#judged;
      return { transaction: `0x${id}`, at: BigInt(index), gasUsed: 0n };
    } catch (error) {
      if (error instanceof EntryRefusedError) {
        throw new LedgerRefusedError('entry-refused', error.message, { cause: error });
      }
      throw unreachable(error);
    }
  }

  async #refresh(options: WaitOptions): Promise<void> {
    const { refreshMs = 1_000, board } = this.#options;
    if (this.#clock.now() - this.#heardMs > refreshMs) {
      try {
        await board.refresh(options);
        this.#heardMs = this.#clock.now();
      } catch (error) {
        throw unreachable(error);
      }
    }
    await this.#judged;
  }

  /** The buyer's account and this process's peer say that they are one. */
  async #binding(buyer: LedgerSigner): Promise<AccountBinding> {
    const issuedMs = this.#clock.now();
    const { author } = this.#options;
    const peer = peerIdOfEd25519(author.publicKey);
    const statement = { peer, account: buyer.signer, issuedMs, expiresMs: issuedMs + bindingForMs };
    return createBinding(statement, await buyer.sign(bindingDigestOf(statement)), author);
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  #note(error: unknown): void {
    const { code, text } = errorForLog(error);
    this.#logger.error('an entry of the board could not be judged', { code, text });
  }
}

/** A board that does not answer, or was caught lying, says nothing that could be relied upon. */
function unreachable(error: unknown): unknown {
  if (error instanceof BoardUnreachableError) return new LedgerUnreachableError('the board is away', { cause: error });
  if (error instanceof BoardLiedError) return new LedgerUnreachableError('the board lied', { cause: error });
  return error;
}
