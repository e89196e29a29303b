import { Condition, createSeededRandom, type Random, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryBoard, type MemoryBoard, type TestAuthor, testAuthor } from '@pulsemesh/board/testing';
import { openCheckpoint, parseVerifierKey } from '@pulsemesh/board/verify';
import { createBox } from '@pulsemesh/crypto';
import { calmMail, type MailWeather, SimulatedMail } from '@pulsemesh/relay/testing';
import { createMemoryTables, type SealedRecord, type TableStore } from '@pulsemesh/store';
import { type FatePlan, MortalLife } from '@pulsemesh/store/testing';
import type { PeerId } from '@pulsemesh/wire';
import type { AccessReceipt } from '../access/access-types.ts';
import { signReadRequest } from '../access/read-request.ts';
import { type CustodianOptions, openCustodianOffice } from '../custody/office.ts';
import { decodeMessage, encodeMessage, type Message } from '../market/message-codec.ts';
import type { DenialReason, DepositBody, MessageBodies, MessageKind, ReadBody, VitalKind } from '../market/messages.ts';
import type { CustodianOffice, RecordShelf } from '../market/offices.ts';
import type { Offer, SignedOffer } from '../offer/offer.ts';
import { MemoryLedger, type MemoryLedgerOptions, type MemoryLedgerView } from './memory-ledger.ts';
import { mortalLedger, mortalPost, type OfficePoint } from './mortal.ts';
import { accountOf, someOffer } from './some-offer.ts';

export const hourSeconds = 3600;
export const subject = new Uint8Array(16).fill(9);
const verifiers = { p256: null, webAuthn: null };

/** Somebody who only writes and listens. */
export class Correspondent {
  readonly author: TestAuthor;
  readonly heard: Message[] = [];
  readonly #send: (to: PeerId, bytes: Uint8Array) => Promise<void>;
  #last: Promise<void> = Promise.resolve();

  constructor(name: string, mail: SimulatedMail) {
    this.author = testAuthor(name);
    const post = mail.end(this.author.peerId, createMemoryTables());
    this.#send = (to, bytes) => post.send(to, bytes);
    post.receive(async (_from, bytes) => {
      this.heard.push(decodeMessage(bytes));
      return 'marked';
    });
  }

  get peerId(): PeerId {
    return this.author.peerId;
  }

  /** Begins to send, in order, again until the post has it; it is on its way once the clock moves. */
  async write<Kind extends MessageKind>(to: PeerId, kind: Kind, body: MessageBodies[Kind]): Promise<void> {
    const bytes = encodeMessage(kind, body);
    this.#last = this.#last.then(() => this.#insist(to, bytes));
  }

  async #insist(to: PeerId, bytes: Uint8Array): Promise<void> {
    const isSent = await this.#send(to, bytes).then(
      () => true,
      () => false,
    );
    if (!isSent) await this.#insist(to, bytes);
  }

  of<Kind extends MessageKind>(kind: Kind): readonly MessageBodies[Kind][] {
    return this.heard.filter((message) => message.kind === kind).map(({ body }) => body as MessageBodies[Kind]); // its kind
  }

  /** Receipts of accesses that came, each once. */
  receipts(): readonly AccessReceipt[] {
    const all = this.of('accessed').flatMap(({ receipts }) => receipts);
    const byPlace = new Map(all.map((receipt) => [receipt.index, receipt]));
    return [...byPlace.values()].sort((one, other) => one.index - other.index);
  }
}

/** Something that left the custodian, and how long the log on its disk was then. */
export interface Sent {
  readonly to: PeerId;
  readonly message: Message;
  readonly durableSize: number;
}

export interface CustodianUnderTest {
  readonly author: TestAuthor;
  readonly disk: TableStore;
  readonly view: MemoryLedgerView;
  /** Everything that its post was given, over all its lives. */
  readonly sent: Sent[];
  office: CustodianOffice;
  life: MortalLife<OfficePoint>;
  /** A new life over the same disk. */
  restart(plan?: FatePlan<OfficePoint>): Promise<void>;
}

export interface WorldOptions {
  readonly seed?: number;
  readonly ledger?: MemoryLedgerOptions;
  readonly weather?: MailWeather;
  readonly custodian?: Partial<CustodianOptions>;
  readonly shelf?: RecordShelf;
}

/** A home, a buyer, a stranger and custodians around a ledger in memory. */
export class CustodyWorld {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly ledger: MemoryLedger;
  readonly board: MemoryBoard;
  readonly mail: SimulatedMail;
  readonly home: Correspondent;
  readonly buyer: Correspondent;
  readonly stranger: Correspondent;
  readonly buyerAccount = accountOf(1);
  readonly buyerLedger: MemoryLedgerView;
  readonly #options: WorldOptions;
  #reads = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.random = createSeededRandom(options.seed ?? 1);
    this.ledger = new MemoryLedger(options.ledger ?? {}, { clock: this.clock });
    this.board = createMemoryBoard({}, { clock: this.clock });
    this.mail = new SimulatedMail(options.weather ?? calmMail, { clock: this.clock, random: this.random });
    this.home = new Correspondent('home', this.mail);
    this.buyer = new Correspondent('buyer', this.mail);
    this.stranger = new Correspondent('stranger', this.mail);
    this.buyerLedger = this.ledger.connect(this.buyerAccount);
  }

  /** Starts custodian number `place`: its account is the offer's where that is 0. `isOpen`: whether its post takes anything. */
  async custodian(
    place = 0,
    disk: TableStore = createMemoryTables(),
    isOpen: () => boolean = () => true,
  ): Promise<CustodianUnderTest> {
    const author = testAuthor(`custodian ${place}`);
    const view = this.ledger.connect(accountOf(2 + 0x100 * place));
    const sent: Sent[] = [];
    const start = async (plan: FatePlan<OfficePoint>) => {
      const life = new MortalLife<OfficePoint>(plan);
      const store = life.store(disk);
      const post = mortalPost(life, this.#watched(author, disk, sent, { isAlive: () => life.isAlive, isOpen }));
      const random = createSeededRandom(this.random.integer(2 ** 32));
      const office = await openCustodianOffice(
        {
          post,
          ledger: mortalLedger(life, view),
          store,
          box: createBox(new Uint8Array(32).fill(4), { random }),
          author,
          shelf: this.#options.shelf ?? shelfOf(hourly),
          board: this.board,
          homes: [this.home.peerId],
          domain: this.ledger.domain,
          verifiers,
          checks: lenientChecks,
          ...this.#options.custodian,
        },
        { clock: this.clock, random, logger: silentLogger, meter: silentMeter },
      );
      return { office, life };
    };
    const under: CustodianUnderTest = {
      author,
      disk,
      view,
      sent,
      ...(await start(() => null)),
      async restart(plan = () => null) {
        Object.assign(under, await start(plan));
      },
    };
    return under;
  }

  /** Rows that the buyer was given. */
  get rowsServed(): number {
    return this.buyer.of('records').reduce((sum, { rows }) => sum + rows.length, 0);
  }

  /** What the buyer was denied: of which grant, and why. */
  get deniedReads(): (readonly [string, DenialReason])[] {
    return this.buyer.of('denied').map(({ about, reason }) => [about, reason]);
  }

  offer(changes: Partial<Offer> = {}): SignedOffer {
    return someOffer({ price: 7n, ...changes }, { clock: this.clock, domain: this.ledger.domain });
  }

  deposit(
    signed: SignedOffer,
    custodians: readonly CustodianUnderTest[],
    changes: Partial<DepositBody> = {},
  ): DepositBody {
    const peers = custodians.map(({ author }) => author.peerId);
    const startSeconds = Math.floor(this.clock.now() / 1000 / hourSeconds) * hourSeconds;
    return {
      signed,
      subject,
      buyer: {
        peer: this.buyer.peerId,
        account: signed.offer.buyer,
        issuedMs: 0,
        expiresMs: 2 ** 50,
        peerSignature: new Uint8Array(64),
        accountSignature: '0x01',
      },
      purpose: 'research/rhythm',
      vitals: ['windows'],
      fromSeconds: startSeconds - 24 * hourSeconds,
      untilSeconds: startSeconds,
      envelope: new Uint8Array(100).fill(6),
      custodians: [...peers, testAuthor('custodian elsewhere').peerId],
      ...changes,
    };
  }

  /** A deposit that is held, bought where `isBought`, and confirmed where `isActive`. */
  async grant(
    custodian: CustodianUnderTest,
    state: 'held' | 'bought' | 'active',
    changes: Partial<DepositBody> = {},
    offer: Partial<Offer> = {},
  ): Promise<DepositBody> {
    const deposit = this.deposit(this.offer(offer), [custodian], changes);
    await this.home.write(custodian.author.peerId, 'deposit', deposit);
    await this.settle();
    if (state === 'held') return deposit;
    await this.buyerLedger.perform({ step: 'purchase', grants: [deposit.signed] });
    if (state === 'active') {
      const { offer: bought } = deposit.signed;
      const grant = { offer: bought, delivery: deposit.signed.grantId, receipt: '0x' } as const;
      await this.buyerLedger.perform({ step: 'confirm', grants: [grant] });
    }
    await this.settle();
    return deposit;
  }

  /** A signed request for all of a deposit. */
  read(deposit: DepositBody, changes: Partial<ReadBody> = {}, by = this.buyer): ReadBody {
    this.#reads += 1;
    const { signature, ...asked } = { signature: new Uint8Array(64), ...changes };
    const request = {
      grantId: deposit.signed.grantId,
      readId: this.#reads.toString(16).padStart(32, '0'),
      vital: 'windows' as VitalKind,
      fromSeconds: deposit.fromSeconds,
      untilSeconds: deposit.untilSeconds,
      atMs: this.clock.now(),
      ...asked,
    };
    return changes.signature === undefined ? signReadRequest(request, by.author) : { ...request, signature };
  }

  /** Lets a few seconds pass, so that what was begun is over. */
  async settle(ms = 20_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) await this.clock.advance(1_000);
  }

  #watched(
    author: TestAuthor,
    disk: TableStore,
    sent: Sent[],
    { isAlive, isOpen }: { isAlive: () => boolean; isOpen: () => boolean },
  ) {
    const post = this.mail.end(author.peerId, disk, isAlive);
    return {
      ...post,
      send: async (to: PeerId, bytes: Uint8Array) => {
        if (!isOpen()) throw new Condition('closed', 'the post is closed', { retryable: true });
        sent.push({ to, message: decodeMessage(bytes), durableSize: durableSizeOf(disk, author) });
        await post.send(to, bytes);
      },
    };
  }
}

/** Signatures that are not `0x` count. */
const lenientChecks: NonNullable<CustodianOptions['checks']> = {
  isOfferSound: async ({ signature }) => signature !== '0x',
  isBindingSound: async () => true,
  mayBeReceipt: async (_offer, _grantId, _delivery, receipt) => receipt !== '0x',
  wrappedKeyOf: () => `0x${'ab'.repeat(80)}`,
};

/** A record of 1,000 bytes at the beginning of each hour. */
export function hourly(at: number): SealedRecord[] {
  if (at % hourSeconds !== 0) return [];
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, at / hourSeconds);
  return [{ subject, kind: 2, bucketSeconds: at, id, revision: 1, sealed: new Uint8Array(1000).fill(at % 251) }];
}

/** What `recordsAt` gives for each ten seconds. */
export function shelfOf(recordsAt: (at: number) => SealedRecord[]): RecordShelf {
  return {
    async read(_subject, _vital, { fromSeconds, untilSeconds }) {
      const records: SealedRecord[] = [];
      for (let at = Math.ceil(fromSeconds / 10) * 10; at < untilSeconds; at += 10) records.push(...recordsAt(at));
      return records;
    },
  };
}

/** Leaves under the head that lies on the disk. */
function durableSizeOf(disk: TableStore, author: TestAuthor): number {
  const note = disk.get('board/head', Uint8Array.of(1));
  if (note === undefined) return 0;
  const text = new TextDecoder().decode(note);
  const size = Number(text.split('\n')[1]);
  if (!text.includes(author.peerId)) throw new Error('the head of another log');
  return size;
}

/**
 * THREATS 43 over a trace: whatever left the custodian that gives something away has its leaf in the log, durable before it left, and what
 * the leaf counts is what was served.
 */
export function unloggedIn({ sent, office }: CustodianUnderTest): string[] {
  const problems: string[] = [];
  const verifier = parseVerifierKey(office.logKey);
  const pages = new Map<string, { bytes: Map<number, number>; durableSize: number }>();
  for (const { message, durableSize } of sent) {
    if (message.kind === 'key') {
      const { record, index } = message.body.receipt;
      if (record.kind !== 'release' || record.grantId !== message.body.grantId)
        problems.push('a key under another leaf');
      if (index >= durableSize) problems.push('a key before its leaf');
    }
    if (message.kind !== 'records') continue;
    const { readId, page, rows, receipt } = message.body;
    const known = pages.get(readId) ?? { bytes: new Map<number, number>(), durableSize };
    pages.set(readId, known);
    known.bytes.set(
      page,
      rows.reduce((sum, row) => sum + row[4].length, 0),
    );
    if (receipt === null) continue;
    const bytes = [...known.bytes.values()].reduce((sum, size) => sum + size, 0);
    if (receipt.index >= known.durableSize) problems.push('a page before its leaf');
    if (receipt.record.kind !== 'read' || receipt.record.bytes !== bytes)
      problems.push('pages that differ from their leaf');
    if (openCheckpoint(receipt.checkpoint, [verifier]).checkpoint.size <= receipt.index)
      problems.push('a leaf outside');
    pages.delete(readId);
  }
  return problems.concat([...pages.keys()].map((readId) => `pages without a leaf ${readId}`));
}
