import { type ConsentDomain, offerIdOf, purseOf } from '../contract/typed-data.ts';
import { LedgerRefusedError } from '../grants/errors.ts';
import type { GrantStatus, LedgerEvent, LedgerStep } from '../grants/grant-ledger.ts';
import type { Hex, Offer, SignedOffer } from '../offer/offer.ts';

/** Which signatures count; default: all but the empty one `0x`, so that tests need no keys. */
export interface MemoryLedgerChecks {
  isOfferSigned(signed: SignedOffer): boolean;
  isReceiptSigned(offer: Offer, grantId: Hex, delivery: Hex, receipt: Hex): boolean;
  isRevocationSigned(offer: Offer, grantId: Hex, signature: Hex): boolean;
}

/** Windows of the contract, seconds. */
export const memoryLedgerWindows = { minimum: 15 * 60, challenge: 24 * 3600, arbitration: 30 * 24 * 3600 } as const;

/** One step as it was sent. */
export interface MemoryTransaction {
  readonly hash: Hex;
  readonly sender: Hex;
  readonly step: LedgerStep;
}

export interface MemoryBlock {
  readonly number: bigint;
  readonly timeMs: number;
  readonly transactions: readonly MemoryTransaction[];
}

interface Grant {
  readonly offer: Offer;
  status: GrantStatus;
  deadline: number;
}

type EventBody = LedgerEvent extends infer Event
  ? Event extends LedgerEvent
    ? Omit<Event, 'at' | 'place' | 'timeMs' | 'transaction'>
    : never
  : never;

/** The contract's rules over maps: what all blocks up to one amount to. */
export class MemoryLedgerState {
  readonly #domain: ConsentDomain;
  readonly #checks: MemoryLedgerChecks;
  readonly #grants = new Map<Hex, Grant>();
  readonly #credits = new Map<string, bigint>();
  /** Steps that are done, by what they do: to whom repeats one is told the transaction of the first. */
  readonly #done = new Map<string, { readonly transaction: Hex; readonly at: bigint }>();
  /** What each account paid in, less what was paid out to it; by account and token. */
  readonly #balances = new Map<string, bigint>();
  readonly events: LedgerEvent[] = [];
  head = 0n;
  timeMs: number;

  constructor(domain: ConsentDomain, checks: MemoryLedgerChecks, timeMs: number) {
    this.#domain = domain;
    this.#checks = checks;
    this.timeMs = timeMs;
  }

  grant(grantId: Hex): { readonly status: GrantStatus; readonly deadline: number } {
    return this.#grants.get(grantId) ?? { status: 'none', deadline: 0 };
  }

  credit(payee: Hex, token: Hex): bigint {
    return this.#credits.get(`${token}/${payee}`) ?? 0n;
  }

  /** What an account has gained since the beginning; negative: paid. */
  balance(account: Hex, token: Hex): bigint {
    return this.#balances.get(`${token}/${account}`) ?? 0n;
  }

  /** @throws {LedgerRefusedError}; then some of the step may be applied: try on a copy, or begin again. */
  apply(block: MemoryBlock): void {
    this.head = block.number;
    this.timeMs = block.timeMs;
    let place = 0;
    for (const transaction of block.transactions) {
      for (const event of this.#perform(transaction)) {
        const head = { at: block.number, place, timeMs: block.timeMs, transaction: transaction.hash };
        this.events.push({ ...event, ...head } as LedgerEvent); // an event body with its head
        place += 1;
      }
      const done = { transaction: transaction.hash, at: block.number };
      for (const effect of effectsOf(transaction.sender, transaction.step)) {
        if (!this.#done.has(effect)) this.#done.set(effect, done);
      }
    }
  }

  /** What did all of a step already; null where some of it is left to do. */
  doneBefore(sender: Hex, step: LedgerStep): { readonly transaction: Hex; readonly at: bigint } | null {
    const done = effectsOf(sender, step).map((effect) => this.#done.get(effect));
    return done.every((found) => found !== undefined) ? (done.at(-1) ?? null) : null;
  }

  *#perform({ sender, step }: MemoryTransaction): Generator<EventBody> {
    switch (step.step) {
      case 'purchase':
        for (const signed of step.grants) {
          if (!this.#done.has(`purchase ${signed.offer.nonce}`)) yield this.#purchase(sender, signed);
        }
        return;
      case 'confirm':
        for (const { offer, delivery, receipt } of step.grants) {
          if (!this.#done.has(`confirm ${offer.nonce}`)) yield this.#confirm(sender, offer, delivery, receipt);
        }
        return;
      case 'withdraw':
        yield this.#withdraw(step);
        return;
      case 'anchor':
        yield { kind: 'anchored', custodian: sender, previous: step.previous, root: step.root, count: step.count };
        return;
      case 'log-access':
        yield { kind: 'accessed', grantId: step.grantId, entry: step.entry };
        return;
      default:
        yield this.#onGrant(sender, step);
    }
  }

  #purchase(sender: Hex, signed: SignedOffer): EventBody {
    const { offer } = signed;
    const grantId = this.#idOf(offer);
    if (sender !== offer.buyer) refuse('NotBuyer');
    if (this.#seconds > offer.validUntil) refuse('OfferExpired');
    const { minimum } = memoryLedgerWindows;
    if (offer.deliverWithin < minimum || offer.accessFor < minimum) refuse('WindowTooShort');
    if (this.grant(grantId).status !== 'none') refuse('WrongStatus');
    if (grantId !== signed.grantId || !this.#checks.isOfferSigned(signed)) refuse('WrongSignature');
    const deadline = this.#seconds + offer.deliverWithin;
    this.#grants.set(grantId, { offer, status: 'funded', deadline });
    this.#move(offer.buyer, offer.token, -offer.price);
    return { kind: 'purchased', grantId, deadline };
  }

  #confirm(sender: Hex, offer: Offer, delivery: Hex, receipt: Hex): EventBody {
    const grantId = this.#idOf(offer);
    const grant = this.#require(grantId, ['funded', 'delivered']);
    if (sender !== offer.buyer && !this.#checks.isReceiptSigned(offer, grantId, delivery, receipt))
      refuse('WrongSignature');
    return this.#activate(grantId, grant);
  }

  #onGrant(sender: Hex, step: Exclude<LedgerStep, { step: MapSteps }>): EventBody {
    const { offer } = step;
    const grantId = this.#idOf(offer);
    switch (step.step) {
      case 'deliver': {
        const grant = this.#require(grantId, ['funded']);
        if (sender !== offer.custodian) refuse('NotCustodian');
        if (this.#seconds > grant.deadline) refuse('TooLate');
        this.#turn(grant, 'delivered', memoryLedgerWindows.challenge);
        return { kind: 'delivered', grantId, wrapped: step.wrapped, deadline: grant.deadline };
      }
      case 'settle':
        return this.#activate(grantId, this.#overdue(grantId, 'delivered'));
      case 'refund':
        return this.#end(grantId, this.#overdue(grantId, 'funded'), 'closed', offer.price);
      case 'dispute': {
        const grant = this.#require(grantId, ['delivered']);
        if (sender !== offer.buyer) refuse('NotBuyer');
        if (this.#seconds > grant.deadline) refuse('TooLate');
        this.#turn(grant, 'disputed', memoryLedgerWindows.arbitration);
        return { kind: 'disputed', grantId, deadline: grant.deadline };
      }
      case 'resolve': {
        const grant = this.#require(grantId, ['disputed']);
        if (sender !== offer.arbiter) refuse('NotArbiter');
        if (step.toBuyer > offer.price) refuse('MoreThanPrice');
        return this.#end(grantId, grant, 'closed', step.toBuyer);
      }
      case 'revoke':
        return this.#revoke(grantId, step.offer, step.signature);
    }
  }

  #revoke(grantId: Hex, offer: Offer, signature: Hex): EventBody {
    const grant = this.#grants.get(grantId) ?? { offer, status: 'none', deadline: 0 };
    if (grant.status !== 'none' && grant.status !== 'funded' && grant.status !== 'active') refuse('WrongStatus');
    if (!this.#checks.isRevocationSigned(offer, grantId, signature)) refuse('WrongSignature');
    this.#grants.set(grantId, grant);
    return this.#end(grantId, grant, 'revoked', grant.status === 'funded' ? offer.price : null);
  }

  #withdraw(step: Extract<LedgerStep, { step: 'withdraw' }>): EventBody {
    // Signers of tests without keys are their own purses.
    const purse = purseOf(step.signer).toLowerCase() as Hex; // as offers write it
    const payee = this.credit(purse, step.token) > 0n ? purse : (step.signer.slice(0, 42) as Hex); // `0x` and 20 bytes
    const found = this.credit(payee, step.token);
    if (this.#seconds > step.until) refuse('WithdrawalExpired');
    if (step.amount > found || step.amount === 0n) refuse('MoreThanCredit');
    this.#credits.set(`${step.token}/${payee}`, found - step.amount);
    this.#move(step.to, step.token, step.amount);
    return { kind: 'withdrawn', payee, token: step.token, amount: step.amount };
  }

  #activate(grantId: Hex, grant: Grant): EventBody {
    this.#turn(grant, 'active', grant.offer.accessFor);
    this.#earn(grant.offer.payee, grant.offer.token, grant.offer.price);
    return { kind: 'confirmed', grantId, deadline: grant.deadline };
  }

  /** `toBuyer` null: nothing is held any more. */
  #end(grantId: Hex, grant: Grant, status: 'closed' | 'revoked', toBuyer: bigint | null): EventBody {
    const { offer } = grant;
    grant.status = status;
    grant.deadline = 0;
    if (toBuyer !== null) {
      this.#earn(offer.buyer, offer.token, toBuyer);
      this.#earn(offer.payee, offer.token, offer.price - toBuyer);
    }
    return { kind: 'ended', grantId, status, toBuyer: toBuyer ?? 0n };
  }

  #turn(grant: Grant, status: GrantStatus, forSeconds: number): void {
    grant.status = status;
    grant.deadline = this.#seconds + forSeconds;
  }

  #earn(payee: Hex, token: Hex, amount: bigint): void {
    this.#credits.set(`${token}/${payee}`, this.credit(payee, token) + amount);
  }

  #move(account: Hex, token: Hex, amount: bigint): void {
    this.#balances.set(`${token}/${account}`, this.balance(account, token) + amount);
  }

  #require(grantId: Hex, statuses: readonly GrantStatus[]): Grant {
    const grant = this.#grants.get(grantId);
    if (grant === undefined || !statuses.includes(grant.status)) return refuse('WrongStatus');
    return grant;
  }

  #overdue(grantId: Hex, status: GrantStatus): Grant {
    const grant = this.#require(grantId, [status]);
    if (this.#seconds <= grant.deadline) refuse('TooEarly');
    return grant;
  }

  #idOf(offer: Offer): Hex {
    return offerIdOf(offer, this.#domain);
  }

  get #seconds(): number {
    return Math.floor(this.timeMs / 1000);
  }
}

type MapSteps = 'purchase' | 'confirm' | 'withdraw' | 'anchor' | 'log-access';

function refuse(reason: string): never {
  throw new LedgerRefusedError(reason);
}

/** What a step does, whoever repeats it: each grant of a batch by itself. */
function effectsOf(sender: Hex, step: LedgerStep): readonly string[] {
  switch (step.step) {
    case 'purchase':
    case 'confirm':
      return step.grants.map(({ offer }) => `${step.step} ${offer.nonce}`);
    case 'withdraw':
      return [`withdraw ${step.signer} ${step.token} ${step.nonce}`];
    case 'anchor':
      return [`anchor ${sender} ${step.previous} ${step.root} ${step.count}`];
    case 'log-access':
      return [`log-access ${sender} ${step.grantId} ${step.entry}`];
    default:
      return [`${step.step} ${step.offer.nonce}`];
  }
}
