import { createSeededRandom, type Random, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { KeyDirectory } from '@pulsemesh/board';
import {
  createMemoryBoard,
  type MemoryBoard,
  type MemoryReader,
  sampleEnrolment,
  type TestAuthor,
  testAuthor,
} from '@pulsemesh/board/testing';
import { createBox, createKeyTree, type KeyTree, sha256 } from '@pulsemesh/crypto';
import { calmMail, type MailWeather, SimulatedMail } from '@pulsemesh/relay/testing';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { type FatePlan, MortalLife } from '@pulsemesh/store/testing';
import type { PeerId } from '@pulsemesh/wire';
import { bulletinDomain } from '../bulletin/bulletin-account.ts';
import { openBulletinLedger } from '../bulletin/bulletin-ledger.ts';
import type { ConsentDomain } from '../contract/typed-data.ts';
import { openCustodianOffice } from '../custody/office.ts';
import type { GrantLedger } from '../grants/grant-ledger.ts';
import { OfficeClosedError } from '../market/errors.ts';
import type { CustodianContact } from '../market/home/home-means.ts';
import { type OpenHomeOffice, openHomeOffice } from '../market/home/home-office.ts';
import type { VitalKind } from '../market/messages.ts';
import type { AskInput, CustodianOffice, HomePolicy, Notice, PatientProfile } from '../market/offices.ts';
import { type OpenResearchOffice, openResearchOffice } from '../market/research/research-office.ts';
import type { AcceptInput, DraftView } from '../market/views.ts';
import { grantKeyOf } from '../offer/grant-key.ts';
import type { Hex } from '../offer/offer.ts';
import { accountSigner, type LedgerSigner, signRevocation } from '../offer/signing.ts';
import { yesByGrantKey, yesByPasskey } from './market-patient.ts';
import { createTestShelf, type RecordSpan, recordedHours, recordedTexts } from './market-records.ts';
import { MemoryLedger, type MemoryLedgerView } from './memory-ledger.ts';
import { mortalLedger, type OfficePoint } from './mortal.ts';
import { SoftPasskey } from './soft-passkey.ts';
import { accountOf } from './some-offer.ts';

export interface MarketWorldOptions {
  readonly seed?: number;
  readonly patients?: number;
  readonly weather?: MailWeather;
  readonly policy?: Partial<HomePolicy>;
  readonly plan?: FatePlan<OfficePoint>;
  readonly profiles?: (place: number) => PatientProfile;
  /** Changes the leaves that custodians show to all. */
  readonly shown?: (leaves: readonly Uint8Array[]) => readonly Uint8Array[];
  /** Which custodians offices are told of. */
  readonly custodians?: (all: readonly CustodianContact[]) => readonly CustodianContact[];
  /** True: there is no chain, but the public board alone. */
  readonly isOnBoard?: boolean;
}

type AgentName = 'home' | 'research' | 'first' | 'second';

interface Agent<Office> {
  readonly author: TestAuthor;
  readonly disk: TableStore;
  readonly ledger: MemoryLedgerView;
  /** The board as it reads it. */
  readonly board: MemoryReader;
  life: MortalLife<OfficePoint>;
  office: Office;
}

const restartMs = 2_000;

/**
 * A home with patients, a researcher and two custodians over a ledger, a post and disks in memory, under one virtual clock: whoever dies
 * begins a new life two seconds later. For tests.
 */
export class MarketWorld implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly ledger: MemoryLedger;
  readonly board: MemoryBoard;
  readonly post: SimulatedMail;
  readonly notices: Notice[] = [];
  readonly subjects: readonly string[];
  /** The researcher's own account. */
  readonly signer: LedgerSigner;
  readonly startSeconds: number;
  deaths = 0;
  readonly #options: MarketWorldOptions;
  readonly #trees: readonly KeyTree[];
  readonly #passkeys = new Map<string, SoftPasskey>();
  readonly #agents = new Map<AgentName, Agent<unknown>>();
  readonly #logKeys = new Map<AgentName, string>();
  #isOver = false;

  private constructor(options: MarketWorldOptions) {
    this.#options = options;
    this.random = createSeededRandom(options.seed ?? 1);
    this.ledger = new MemoryLedger({}, { clock: this.clock });
    this.board = createMemoryBoard({}, { clock: this.clock });
    this.post = new SimulatedMail(options.weather ?? calmMail, { clock: this.clock, random: this.random });
    this.#trees = Array.from({ length: options.patients ?? 1 }, (_, place) =>
      createKeyTree(seedOf(`patient ${place}`)),
    );
    this.subjects = this.#trees.map(({ subjectId }) => subjectId);
    this.signer = accountSigner(grantKeyOf(seedOf('researcher')));
    this.startSeconds = Math.floor(this.clock.now() / 1000 / 3600) * 3600;
  }

  static async open(options: MarketWorldOptions = {}): Promise<MarketWorld> {
    const world = new MarketWorld(options);
    const accounts = {
      home: accountOf(10),
      research: world.signer.signer,
      first: accountOf(11),
      second: accountOf(12),
    };
    for (const name of ['first', 'second', 'home', 'research'] as const) {
      const agent: Agent<unknown> = {
        author: testAuthor(name),
        disk: createMemoryTables(),
        ledger: world.ledger.connect(accounts[name]),
        board: world.board.reader(),
        life: new MortalLife(() => null),
        office: null,
      };
      world.#agents.set(name, agent);
      await world.board.publish('key', sampleEnrolment(agent.author, organisations[name]), agent.author);
      // It may die while it opens, and its next life begins by itself.
      void world.#begin(name).catch(() => {});
      await world.until('its first life', () => agent.office !== null);
    }
    return world;
  }

  get home(): OpenHomeOffice {
    return alive(this.#agentOf<OpenHomeOffice | null>('home').office);
  }

  get research(): OpenResearchOffice {
    return alive(this.#agentOf<OpenResearchOffice | null>('research').office);
  }

  custodian(name: 'first' | 'second'): CustodianOffice {
    return alive(this.#agentOf<CustodianOffice | null>(name).office);
  }

  peer(name: AgentName) {
    return this.#agentOf(name).author.peerId;
  }

  /** The way that an agent reaches the ledger, to make trouble there. */
  ledgerOf(name: AgentName): MemoryLedgerView {
    return this.#agentOf(name).ledger;
  }

  /** Ends an agent's life; the next one begins by itself. */
  kill(name: AgentName): void {
    this.#agentOf(name).life.die();
  }

  passkeyOf(subject: string): SoftPasskey {
    let passkey = this.#passkeys.get(subject);
    if (passkey === undefined) {
      passkey = new SoftPasskey();
      this.#passkeys.set(subject, passkey);
    }
    return passkey;
  }

  /** What a researcher asks for unless a test says otherwise. */
  question(changes: Partial<AskInput> = {}): AskInput {
    return {
      home: this.peer('home'),
      criteria: {},
      title: 'Rhythm at night',
      purpose: 'research/rhythm',
      explanation: 'For better alarms.',
      vitals: ['readings'],
      fromSeconds: this.startSeconds,
      untilSeconds: this.startSeconds + 24 * 3600,
      accessForSeconds: 30 * 24 * 3600,
      price: 100n,
      token: accountOf(0),
      account: this.signer.signer,
      validForSeconds: 7 * 24 * 3600,
      ...changes,
    };
  }

  /** A patient that can be asked and has a passkey. */
  async enrol(subject: string): Promise<void> {
    const { credentialId, publicKey } = this.passkeyOf(subject);
    await this.again(() => this.home.enrolPasskey(subject, { credentialId, publicKey, approval: null }));
    await this.again(() => this.home.setAskable(subject, true));
  }

  /** From a request to a signed offer that the researcher has. */
  async offered(subject: string): Promise<{ readonly askId: string; readonly grantId: Hex }> {
    await this.enrol(subject);
    const askId = await this.again(() => this.research.ask(this.question()));
    await this.until('the request in the inbox', () => this.home.view(subject).asks.length === 1);
    const grantId = await this.accept(subject, askId);
    await this.until('the offer', () => this.research.view().grants.length === 1);
    return { askId, grantId };
  }

  /** Further, to a grant that was bought and whose key is there. */
  async active(subject: string): Promise<Hex> {
    const { grantId } = await this.offered(subject);
    await this.again(() => this.research.buy([grantId]));
    await this.until('the grant stands', () => this.research.view().grants[0]?.phase === 'active');
    return grantId;
  }

  /** The same of a device whose passkey has no PRF: the passkey itself is the signer. */
  yesByPasskey(subject: string, draft: DraftView): AcceptInput {
    return yesByPasskey(this.passkeyOf(subject), draft, this.domain);
  }

  /** What the patient's device answers a draft with. */
  yes(subject: string, draft: DraftView): Promise<AcceptInput> {
    return yesByGrantKey(this.passkeyOf(subject), draft, this.domain);
  }

  async accept(subject: string, askId: string, price: bigint | null = null): Promise<Hex> {
    const draft = await this.again(() => this.home.draft(askId, subject, price));
    const yes = await this.yes(subject, draft);
    return this.again(() => this.home.accept(subject, yes));
  }

  async revoke(subject: string, grantId: Hex): Promise<void> {
    const grant = this.home.view(subject).grants.find((one) => one.grantId === grantId);
    const salt = grant?.signing?.keySalt;
    if (salt == null) throw new Error('the grant has no key of its own');
    const signer = accountSigner(grantKeyOf(this.passkeyOf(subject).secretOf(salt)));
    const signature = await signRevocation(grantId, this.domain, signer);
    await this.again(() => this.home.revoke(grantId, signature));
  }

  /** Advances the clock until something holds. */
  async until(what: string, isSo: () => boolean, withinMs = 3_600_000): Promise<void> {
    const endMs = this.clock.now() + withinMs;
    while (!holds(isSo)) {
      if (this.clock.now() > endMs) throw new Error(`never: ${what}`);
      await this.clock.advance(500);
    }
  }

  /** Does something that an office's death may swallow: asked again of its next life. The clock goes on meanwhile. */
  async again<Value>(act: () => Promise<Value>): Promise<Value> {
    for (let tries = 0; tries < 50; tries += 1) {
      const deaths = this.deaths;
      let outcome: { readonly value: Value } | { readonly error: unknown } | null = null;
      // Between two lives there is no office to ask.
      const answer = (async () => act())();
      answer.then(
        (value) => {
          outcome = { value };
        },
        (error: unknown) => {
          outcome = { error };
        },
      );
      const isSettled = () => outcome !== null || this.deaths > deaths;
      await this.until('an answer', isSettled);
      await this.clock.advance(0);
      const found = outcome as { readonly value: Value } | { readonly error: unknown } | null;
      if (found !== null && 'value' in found) return found.value;
      if (found !== null && !(found.error instanceof OfficeClosedError)) throw found.error;
      await this.clock.advance(2 * restartMs);
    }
    throw new Error('it dies each time');
  }

  /** The plaintexts of a patient's records in a span, as they were recorded. */
  recordsOf(subject: string, vital: VitalKind, span: RecordSpan): string[] {
    return recordedTexts(this.subjects.indexOf(subject), vital, span, this.startSeconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const { office, life } of this.#agents.values()) {
      // What a dead disk holds up is not waited for.
      if (office !== null) void end(office as AsyncDisposable); // what it has is one
      life.isAlive = false;
    }
    await this.clock.advance(10);
  }

  #agentOf<Office>(name: AgentName): Agent<Office> {
    return this.#agents.get(name) as Agent<Office>; // made at the start, with an office of that kind
  }

  async #begin(name: AgentName): Promise<void> {
    const agent = this.#agentOf<AsyncDisposable | null>(name);
    const life = new MortalLife<OfficePoint>(this.#options.plan ?? (() => null), () => {
      this.deaths += 1;
      const { office } = agent;
      agent.office = null;
      // Its timers end; what it waits for is never answered.
      if (office !== null) void end(office);
      if (!this.#isOver) this.clock.setTimer(() => void this.#begin(name).catch(() => {}), restartMs);
    });
    agent.life = life;
    const office = await this.#openOffice(name, life.store(agent.disk), mortalLedger(life, this.#reach(name)), life);
    if (life.isAlive) agent.office = office;
    else void end(office);
  }

  get domain(): ConsentDomain {
    return this.#options.isOnBoard === true ? bulletinDomain : this.ledger.domain;
  }

  #reach(name: AgentName): GrantLedger {
    const { author, board, ledger } = this.#agentOf(name);
    if (this.#options.isOnBoard !== true) return ledger;
    const buyer = name === 'research' ? this.signer : null;
    return openBulletinLedger({ board, author, buyer }, { clock: this.clock, logger: silentLogger });
  }

  #openOffice(
    name: AgentName,
    store: TableStore,
    ledger: GrantLedger,
    life: MortalLife<OfficePoint>,
  ): Promise<AsyncDisposable> {
    const agent = this.#agentOf(name);
    const post = this.post.end(agent.author.peerId, store, () => life.isAlive);
    const box = createBox(seedOf(`box ${name}`), { random: this.random });
    const { author, board } = agent;
    const shared = { post, ledger, store, box, author, board, domain: this.domain, verifiers };
    const dependencies = { clock: this.clock, random: this.random, logger: silentLogger, meter: silentMeter };
    switch (name) {
      case 'home':
        return openHomeOffice({ ...shared, ...this.#homeMeans() }, dependencies);
      case 'research': {
        const custodians = this.#custodians();
        const means = {
          keys: new KeyDirectory(board),
          currency,
          organisation: 'Institute',
          signer: this.signer,
          custodians,
        };
        return openResearchOffice({ ...shared, ...means }, dependencies);
      }
      default: {
        const shelf = createTestShelf(this.#trees, this);
        const homes = [testAuthor('home').peerId];
        return openCustodianOffice({ ...shared, shelf, homes }, dependencies);
      }
    }
  }

  #homeMeans() {
    const profile = (place: number): PatientProfile =>
      this.#options.profiles?.(place) ?? { recordedHours, irregular: false, inputs: ['rr'] };
    const policy: HomePolicy = {
      priceMax: null,
      offerValidForSeconds: 72 * 3600,
      deliverWithinSeconds: 24 * 3600,
      countMin: 5,
      arbiter: accountOf(99),
      ...this.#options.policy,
    };
    return {
      patients: {
        list: () => this.subjects,
        keyTree: (subject: string) => this.#trees[this.subjects.indexOf(subject)] ?? null,
        profile: async (subject: string) => profile(this.subjects.indexOf(subject)),
      },
      notices: { tell: async (notice: Notice) => void this.notices.push(notice) },
      custodians: this.#custodians(),
      organisation: 'Clinic',
      policy,
      currency,
      passkeys: { rpId: 'localhost', origins: ['http://localhost'] },
      keys: new KeyDirectory(this.#agentOf('home').board),
      readLog: async (peer: PeerId, from: number) => {
        const name = this.#agentOf('first').author.peerId === peer ? 'first' : 'second';
        const { checkpoint, leaves } = this.custodian(name).log(from, 1_000);
        return { checkpoint, leaves: this.#options.shown?.(leaves) ?? leaves };
      },
    };
  }

  #custodians(): readonly CustodianContact[] {
    const all = (['first', 'second'] as const).flatMap((name, place) => {
      const agent = this.#agents.get(name) as Agent<CustodianOffice | null> | undefined; // a custodian's
      if (agent === undefined) return [];
      const logKey = agent.office?.logKey ?? this.#logKeys.get(name) ?? '';
      this.#logKeys.set(name, logKey);
      return [{ peer: agent.author.peerId, account: accountOf(11 + place), logKey }];
    });
    return this.#options.custodians?.(all) ?? all;
  }
}

const organisations = { home: 'Clinic', research: 'Institute', first: 'First', second: 'Second' } as const;
const verifiers = { p256: null, webAuthn: accountOf(0xfeed) };
const currency = { symbol: 'units', decimals: 0 };

function alive<Office>(office: Office | null): Office {
  if (office === null) throw new OfficeClosedError();
  return office;
}

function holds(isSo: () => boolean): boolean {
  try {
    return isSo();
  } catch (error) {
    if (error instanceof OfficeClosedError) return false;
    throw error;
  }
}

async function end(office: AsyncDisposable): Promise<void> {
  await office[Symbol.asyncDispose]();
}

function seedOf(name: string): Uint8Array {
  return sha256(new TextEncoder().encode(name));
}
