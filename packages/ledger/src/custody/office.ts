import {
  assert,
  type Clock,
  errorForLog,
  type Logger,
  type Meter,
  type Random,
  startTicker,
  type Ticker,
  type Timer,
  type WaitOptions,
  withTimeout,
} from '@pulsemesh/base';
import type { Author, Board } from '@pulsemesh/board';
import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { accessLimits } from '../access/access-limits.ts';
import { type AccessLog, openAccessLog } from '../access/access-log.ts';

import type { AccessReceipt } from '../access/access-types.ts';
import { EmergencyReasonError } from '../access/errors.ts';
import { hexOf } from '../access/fields.ts';
import { SealedRows } from '../access/sealed-rows.ts';
import type { ConsentDomain } from '../contract/typed-data.ts';
import type { GrantLedger, LedgerEvent } from '../grants/grant-ledger.ts';
import { decodeMessage, type Message, MessageRefusedError } from '../market/message-codec.ts';
import type { DepositBody, ReadBody } from '../market/messages.ts';
import type { CustodianOffice, Emergency, RecordShelf } from '../market/offices.ts';
import type { Post } from '../market/post.ts';
import type { Hex } from '../offer/offer.ts';
import type { SignatureVerifiers } from '../offer/verify-signature.ts';
import { Anchoring } from './anchoring.ts';
import { type CustodyChecks, createCustodyChecks } from './checks.ts';
import { Committer } from './committer.ts';
import { CustodyBook } from './custody-book.ts';
import { createCustodyEvents } from './custody-events.ts';
import { type CustodyQuotas, custodyLimits, defaultQuotas, type HoldingLimits } from './custody-limits.ts';
import { CustodyOutbox } from './custody-outbox.ts';
import { whyNotReleased } from './decide.ts';
import { DenialCounter } from './denial-counter.ts';
import { emergencyIdOf } from './emergency-id.ts';
import { EventFeed } from './event-feed.ts';
import { rowAfter } from './grant-row.ts';
import { LedgerEntries } from './ledger-entries.ts';
import { LedgerWork } from './ledger-work.ts';
import { type Outgoing, refused } from './outcome.ts';
import { takeOff } from './pages.ts';
import {
  accessOf,
  type Desk,
  erasedBy,
  readOf,
  release,
  takeClaim,
  takeDeposit,
  takeRead,
  takeReceived,
  takeWithdrawn,
} from './taking.ts';

export interface CustodianOptions {
  readonly post: Post<readonly TableChange[]>;
  /** Not disposed with the office. */
  readonly ledger: GrantLedger;
  /** Holds tables `custody/…`, `access/…` and those of the log, no other log's; in the post's marks' transactions too. Not disposed with it. */
  readonly store: TableStore;
  /** Seals rows at rest. */
  readonly box: Box;
  /** The custodian's identity: its peer id is the post's. Signs the log's heads, receipts, anchors on the board. */
  readonly author: Author;
  readonly shelf: RecordShelf;
  /** Null: anchors on the ledger alone. */
  readonly board: Board | null;
  /** Whose deposits are taken. */
  readonly homes: readonly PeerId[];
  /** Deployment that offers are signed for, and its verifiers. */
  readonly domain: ConsentDomain;
  readonly verifiers: SignatureVerifiers;
  /** How often the log is anchored, and after how many leaves at the latest; default five minutes and 1,000. */
  readonly anchorEveryMs?: number;
  readonly anchorCountMax?: number;
  /** True: each access that is served is put on the ledger by itself too. Default false. */
  readonly logsOnLedger?: boolean;
  /** Oldest head of the ledger that is relied upon; null (default): as the ledger judges itself. */
  readonly headAgeMsMax?: number | null;
  readonly quotas?: Partial<CustodyQuotas>;
  readonly limits?: Partial<HoldingLimits>;
  /** For tests: instead of real signatures. */
  readonly checks?: CustodyChecks;
}

export interface CustodianDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/**
 * Opens a custodian's office over what its store holds, and begins to work: what a former life had decided goes on. Whoever opens it
 * disposes it, before store, post and ledger. @throws {LogDamagedError}; {SealBrokenError}; {StoreFullError}; {StoreFailedError}.
 */
export async function openCustodianOffice(
  options: CustodianOptions,
  dependencies: CustodianDependencies,
): Promise<CustodianOffice> {
  const { store, box, author, post } = options;
  const origin = `pulsemesh-access/${post.self}`;
  const log = await openAccessLog({ store, box, author, origin }, dependencies);
  try {
    const office = new Office(options, dependencies, log);
    office.start();
    return office;
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}

class Office implements CustodianOffice {
  readonly logKey: string;
  readonly #options: CustodianOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #checks: CustodyChecks;
  readonly #homes: ReadonlySet<PeerId>;
  readonly #quotas: CustodyQuotas;
  readonly #log: AccessLog;
  readonly #book: CustodyBook;
  readonly #outbox: CustodyOutbox;
  readonly #committer: Committer;
  readonly #work: LedgerWork;
  readonly #feed: EventFeed;
  readonly #anchoring: Anchoring;
  readonly #stopping = new AbortController();
  readonly #tickers: Ticker[] = [];
  /** One answer after the other is taken off the shelf: each may be large. */
  #reading: Promise<unknown> = Promise.resolve();
  #looking: Promise<void> | null = null;
  /** Events of others' grants. */
  #passedEvents = 0;
  #look: Timer | null = null;
  #following: Promise<void> = Promise.resolve();

  constructor(options: CustodianOptions, dependencies: CustodianDependencies, log: AccessLog) {
    const { store, box, ledger, board, author, post } = options;
    const { clock, logger, meter } = dependencies;
    this.logKey = log.logKey;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#log = log;
    this.#checks = options.checks ?? createCustodyChecks(options.domain, options.verifiers);
    this.#homes = new Set(options.homes);
    this.#quotas = { ...defaultQuotas, ...options.quotas };
    const rows = new SealedRows(store, box);
    const events = createCustodyEvents(logger, meter);
    const entries = options.logsOnLedger === true ? new LedgerEntries(rows) : null;
    const denials = new DenialCounter(this.#quotas.deniedPerHourMax);
    const limits: HoldingLimits = { ...custodyLimits, ...options.limits };
    this.#book = new CustodyBook(rows, post.self, limits);
    this.#outbox = new CustodyOutbox({ rows, post, log, book: this.#book, limits }, dependencies);
    const means = { rows, book: this.#book, log, outbox: this.#outbox, events, denials, entries };
    this.#committer = new Committer(means, dependencies);
    const headAgeMsMax = options.headAgeMsMax ?? null;
    const work = { ledger, book: this.#book, checks: this.#checks, events, entries, headAgeMsMax };
    this.#work = new LedgerWork(work, dependencies);
    this.#feed = new EventFeed(rows, ledger, dependencies);
    this.#anchoring = new Anchoring({ rows, log, ledger, board, author }, dependencies);
  }

  get grants(): number {
    return this.#book.size;
  }

  start(): void {
    const { post, anchorEveryMs = 5 * 60_000, anchorCountMax = 1_000 } = this.#options;
    const { signal } = this.#stopping;
    const failed = (error: unknown) => this.#logger.warn('a custodian tries again later', errorForLog(error));
    this.#tickers.push(startTicker(this.#clock, custodyLimits.tickMs, () => this.#doDue(), failed));
    this.#tickers.push(startTicker(this.#clock, anchorEveryMs, () => this.anchor({ signal }), failed));
    this.#log.onCheckpoint(({ size }) => {
      if (size - this.#anchoring.anchored >= anchorCountMax && !signal.aborted) this.anchor({ signal }).catch(failed);
    });
    this.#following = this.#feed.run((event) => this.#takeEvent(event), signal);
    post.receive((from, bytes, mark) => this.#receive(from, bytes, mark));
    this.#outbox.pump();
    this.#lookSoon();
  }

  log(from: number, limit: number): { readonly checkpoint: Uint8Array; readonly leaves: readonly Uint8Array[] } {
    return { checkpoint: this.#log.checkpoint.note, leaves: this.#log.leaves(from, Math.min(limit, leavesMax)) };
  }

  anchor(options: WaitOptions = {}): Promise<void> {
    return this.#anchoring.anchor(options);
  }

  async emergency({ reader, subject, reason }: Emergency): Promise<AccessReceipt> {
    const { reasonCharactersMax } = accessLimits;
    if (reason === '' || reason.length > reasonCharactersMax || /\p{Cc}/u.test(reason))
      throw new EmergencyReasonError(reasonCharactersMax);
    // The receipt that is given back is of the first: one that the reader knows whose it is.
    const isOwn = ({ homes }: { readonly homes: readonly PeerId[] }) => Number(homes.includes(reader));
    const places = this.#placesOf(subject).toSorted((one, other) => isOwn(other) - isOwn(one));
    const [leaf] = await this.#committer.commit(() => ({
      accesses: places.map(({ grantId }) => ({
        ...accessOf(this.#desk(), grantId, reader, 'emergency'),
        kind: 'emergency',
        reason,
      })),
      out: places.flatMap(({ homes }, after) =>
        homes.map((to): Outgoing => ({ to, message: { kind: 'accessed' }, after })),
      ),
    }));
    const receipt = leaf === undefined ? null : await this.#committer.receiptOf(leaf);
    assert(receipt !== null, 'what was logged has its receipt');
    return receipt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#look?.cancel();
    for (const ticker of this.#tickers) ticker.stop();
    this.#outbox.stop();
    await this.#following;
    await this.#looking?.catch(() => {}); // what was cut short is due again in the next life
    await this.#anchoring.idle();
    await this.#committer.close();
    await this.#log[Symbol.asyncDispose]();
  }

  async #receive(from: PeerId, bytes: Uint8Array, mark: readonly TableChange[]): Promise<'marked'> {
    const message = messageIn(bytes);
    if (message === null) await this.#committer.commit(() => refused('not-a-message'), mark);
    else await this.#take(from, message, mark);
    return 'marked';
  }

  async #take(from: PeerId, message: Message, mark: readonly TableChange[]): Promise<void> {
    const { signal } = this.#stopping;
    const commit = (decide: Parameters<Committer['commit']>[0]) => this.#committer.commit(decide, mark);
    switch (message.kind) {
      case 'deposit': {
        const isSound = this.#homes.has(from) && (await this.#isSound(message.body));
        await commit(() => takeDeposit(this.#desk(), from, message.body, isSound));
        return;
      }
      case 'claim': {
        const facts = await this.#work.factsOf(message.body.grantId, signal);
        await commit(() => takeClaim(this.#desk(), from, message.body, facts));
        return;
      }
      case 'read':
        await this.#inTurn(() => this.#takeRead(from, message.body, mark));
        return;
      case 'received': {
        const { grantId, delivery, signature } = message.body;
        const offer = this.#book.get(grantId)?.terms.signed.offer;
        const mayBe = offer !== undefined && (await this.#checks.mayBeReceipt(offer, grantId, delivery, signature));
        await commit(() => takeReceived(this.#desk(), from, message.body, mayBe));
        this.#lookSoon();
        return;
      }
      case 'withdrawn':
        await commit(() => takeWithdrawn(this.#desk(), from, message.body));
        return;
      case 'erased':
        if (erasedBy(this.#desk(), from, message.body) === null) await commit(() => refused('unknown'));
        else await this.#committer.erase(message.body.grantId, mark);
        return;
      default:
        await commit(() => refused('not-for-here'));
    }
  }

  async #takeRead(from: PeerId, body: ReadBody, mark: readonly TableChange[]): Promise<void> {
    const { signal } = this.#stopping;
    const facts = await this.#work.factsOf(body.grantId, signal);
    const grant = readOf(this.#desk(), from, body, facts);
    const served = grant === null ? null : await this.#takeOff(grant.terms.subject, body);
    await this.#committer.commit(() => takeRead(this.#desk(), from, body, facts, served), mark);
  }

  async #takeOff(subject: Uint8Array, body: ReadBody) {
    const { signal } = this.#stopping;
    const take = (inTime: AbortSignal) => takeOff(this.#options.shelf, subject, body, { signal: inTime });
    return await withTimeout(this.#clock, 'reading records', custodyLimits.shelfWithinMs, take, { signal });
  }

  async #isSound({ signed, buyer }: DepositBody): Promise<boolean> {
    const isBound = await this.#checks.isBindingSound(buyer, this.#clock.now());
    return isBound && (await this.#checks.isOfferSound(signed));
  }

  async #takeEvent(event: LedgerEvent): Promise<void> {
    const grantId = 'grantId' in event ? event.grantId : null;
    if (grantId === null || this.#book.get(grantId) === undefined) {
      this.#passedEvents += 1;
      if (this.#passedEvents % passedEventsMax === 0)
        await this.#committer.commit(() => ({}), [this.#feed.changeAt(event)]);
      return;
    }
    await this.#committer.commit(() => {
      const grant = this.#book.get(grantId);
      if (grant === undefined) return {};
      return { grantId, row: rowAfter(grant.row, event), stops: event.kind === 'ended' };
    }, [this.#feed.changeAt(event)]);
    this.#lookSoon();
  }

  /** What happens within a moment is looked at together, so that it goes to the ledger in one step. */
  #lookSoon(): void {
    if (this.#look !== null || this.#stopping.signal.aborted) return;
    this.#look = this.#clock.setTimer(() => {
      this.#look = null;
      this.#doDue().catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#logger.warn('a custodian tries again later', errorForLog(error));
      });
    }, custodyLimits.lookAfterMs);
  }

  #doDue(): Promise<void> {
    this.#looking ??= this.#doAllDue().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #doAllDue(): Promise<void> {
    const { signal } = this.#stopping;
    for (const [grantId] of this.#work.due('forget')) await this.#committer.forget(grantId);
    await this.#committer.commit(() => ({ prunes: true }));
    for (const [grantId] of this.#work.due('release')) {
      const facts = await this.#work.factsOf(grantId, signal);
      await this.#committer.commit(() => {
        const grant = this.#book.get(grantId);
        const desk = this.#desk();
        const isDue = grant !== undefined && grant.row.releasedMs === 0 && !desk.isOutboxFull;
        return isDue && whyNotReleased(grant, facts, desk.nowMs) === null ? release(desk, grant) : {};
      });
    }
    await this.#work.doDue(signal);
  }

  /**
   * Under which id an access without a grant is written down for each home: the last grant of this patient that it deposited, so that the
   * home knows whose it is. Where nobody did, all homes are told, under an id that is the patient's alone.
   */
  #placesOf(subject: Uint8Array): readonly { readonly grantId: Hex; readonly homes: readonly PeerId[] }[] {
    const wanted = hexOf(subject);
    const last = new Map<PeerId, Hex>();
    for (const [grantId, { terms, row }] of this.#book.all())
      if (hexOf(terms.subject) === wanted) last.set(row.home, grantId);
    if (last.size === 0) return [{ grantId: emergencyIdOf(toHex(subject)), homes: [...this.#homes] }];
    return [...last].map(([home, grantId]) => ({ grantId, homes: [home] }));
  }

  #desk(): Desk {
    return {
      book: this.#book,
      self: this.#options.post.self,
      homes: this.#homes,
      quotas: this.#quotas,
      author: this.#options.author,
      isOutboxFull: this.#outbox.isFull,
      nowMs: this.#clock.now(),
    };
  }

  async #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#reading.then(act);
    this.#reading = turn.catch(() => {});
    await turn;
  }
}

/** After so many events that concern nothing held here, the place among them is written down. */
const passedEventsMax = 256;

/** Public leaves in one answer. */
const leavesMax = 4_096;

function messageIn(bytes: Uint8Array): Message | null {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (error instanceof MessageRefusedError) return null;
    throw error;
  }
}
