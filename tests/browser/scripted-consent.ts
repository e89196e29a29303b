import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { testAuthor } from '@pulsemesh/board/testing';
import { createBox } from '@pulsemesh/crypto';
import type {
  AccessView,
  AnchorView,
  AskView,
  CatalogueEntryView,
  DraftView,
  GrantPhase,
  GrantView,
  Hex,
  LedgerView,
} from '@pulsemesh/node/api';
import { createMemoryTables } from '@pulsemesh/store/memory';
import { type AccessLog, openAccessLog } from '../../packages/ledger/src/access/access-log.ts';
import type { AccessReceipt } from '../../packages/ledger/src/access/access-types.ts';
import { encodeReadRequest, signReadRequest } from '../../packages/ledger/src/access/read-request.ts';
import { encodeAccessReceipt } from '../../packages/ledger/src/access/receipt-codec.ts';
import { domainOf, offerIdOf } from '../../packages/ledger/src/contract/typed-data.ts';
import type { AcceptInput } from '../../packages/ledger/src/market/views.ts';
import { verifyAssertion } from '../../packages/ledger/src/offer/assertion.ts';
import { consentText, termsOf } from '../../packages/ledger/src/offer/consent.ts';
import { draftDigest, offerOf } from '../../packages/ledger/src/offer/draft.ts';
import { type DraftJson, draftJson, parseDraft } from '../../packages/ledger/src/offer/offer-fields.ts';
import { keySignerOf } from '../../packages/ledger/src/offer/signing.ts';
import { verifyOfferSignature } from '../../packages/ledger/src/offer/verify-signature.ts';

/** The ledger's coin, and who pays. */
export const noToken: Hex = `0x${'0'.repeat(40)}`;
const hexOf = (byte: string, bytes: number): Hex => `0x${byte.repeat(bytes)}`;
export const scriptedChain = { chainId: 31_337, contract: hexOf('c0', 20) } as const;
const verifiers = { p256: hexOf('a1', 20), webAuthn: hexOf('a2', 20) } as const;
const hourMs = 3_600_000;

/** A patient's enrolled passkey, as the home keeps it. */
interface Passkey {
  readonly credentialId: string;
  readonly publicKey: Uint8Array;
  readonly enrolledMs: number;
}

interface Custodian {
  readonly author: ReturnType<typeof testAuthor>;
  readonly log: AccessLog;
  readonly account: Hex;
}

/** What passes between a home, a researcher's office and two custodians, without a network: signatures and receipts are real. */
export class ScriptedMarket implements AsyncDisposable {
  subject: string;
  readonly nowMs: () => number;
  readonly researcher = testAuthor('researcher');
  readonly asks: AskView[] = [];
  readonly grants: GrantView[] = [];
  readonly accesses: AccessView[] = [];
  readonly anchors: AnchorView[] = [];
  readonly catalogue: CatalogueEntryView[] = [];
  readonly accounts: Hex[] = [];
  readonly custodians: readonly Custodian[];
  isAskable = true;
  passkey: Passkey | null = null;
  /** Set to have the home lie about what is signed. */
  tamper: (draft: DraftView) => DraftView = (draft) => draft;
  head = 41;
  ledgerState: LedgerView['state'] = 'up';
  readonly #drafts = new Map<string, DraftView>();
  readonly #handlers = new Set<() => void>();
  #count = 0;

  private constructor(subject: string, nowMs: () => number, custodians: readonly Custodian[]) {
    this.subject = subject;
    this.nowMs = nowMs;
    this.custodians = custodians;
    const home = testAuthor('home').peerId;
    const vitals = ['readings', 'windows'] as const;
    this.catalogue.push({
      home,
      organisation: 'North clinic',
      updatedMs: nowMs(),
      cohorts: [
        { criteria: { recordedHoursMin: 24 }, patients: 10, vitals },
        { criteria: { irregular: true }, patients: 5, vitals },
      ],
    });
  }

  static async open(subject: string, nowMs: () => number): Promise<ScriptedMarket> {
    const open = async (name: string, index: number): Promise<Custodian> => {
      const random = createSeededRandom(index);
      const author = testAuthor(name);
      const options = {
        store: createMemoryTables(),
        box: createBox(new Uint8Array(32).fill(index), { random }),
        author,
        origin: `access.test/${name}`,
      };
      const log = await openAccessLog(options, { random, logger: silentLogger, meter: silentMeter });
      return { author, log, account: hexOf(`d${index}`, 20) };
    };
    return new ScriptedMarket(subject, nowMs, [await open('custodian-1', 1), await open('custodian-2', 2)]);
  }

  get ledger(): LedgerView {
    return {
      kind: 'embedded',
      chainId: scriptedChain.chainId,
      contract: scriptedChain.contract,
      head: String(this.head),
      finalized: String(this.head),
      headAgeMs: 3_000,
      sealers: [hexOf('5e', 20)],
      codeHash: hexOf('cd', 32),
      state: this.ledgerState,
      words: 'One party seals it: this is a signed log with rules, and worth what that party is worth.',
      symbol: 'units',
      decimals: 2,
    };
  }

  onChange(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** Something changed; a block was sealed. */
  changed(): void {
    this.head += 1;
    for (const handler of this.#handlers) handler();
  }

  /** A request arrives. */
  ask(change: Partial<AskView> = {}): AskView {
    const fromMs = Math.floor(this.nowMs() / hourMs) * hourMs - 48 * hourMs;
    const ask: AskView = {
      askId: this.#next(16).slice(2),
      subject: this.subject,
      organisation: 'Institute for Rhythm',
      researcher: this.researcher.peerId,
      isKnown: true,
      title: 'Sleep and the heart',
      purpose: 'research/rhythm',
      explanation: 'We compare heart rates at night with those by day. Nobody but us sees them, for two years.',
      vitals: ['readings', 'windows'],
      fromMs,
      untilMs: fromMs + 24 * hourMs,
      accessForMs: 30 * 24 * hourMs,
      price: { units: '1250', token: noToken, symbol: 'units', decimals: 2 },
      askedMs: this.nowMs(),
      expiresMs: this.nowMs() + 72 * hourMs,
      state: 'waiting',
      ...change,
    };
    this.asks.unshift(ask);
    this.changed();
    return ask;
  }

  setAsk(askId: string, state: AskView['state']): void {
    const index = this.asks.findIndex((ask) => ask.askId === askId);
    const ask = this.asks[index];
    if (ask !== undefined) this.asks[index] = { ...ask, state };
    this.changed();
  }

  draft(askId: string, price: bigint | null): DraftView {
    const ask = this.asks.find((one) => one.askId === askId);
    if (ask === undefined || this.passkey === null) throw new Error('no such request');
    const units = price ?? BigInt(ask.price.units);
    const consent = consentText({
      organisation: ask.organisation,
      recipient: ask.researcher,
      title: ask.title,
      explanation: ask.explanation,
      purpose: ask.purpose,
      vitals: ask.vitals,
      fromSeconds: ask.fromMs / 1000,
      untilSeconds: ask.untilMs / 1000,
      accessForSeconds: ask.accessForMs / 1000,
      custodians: this.custodians.map(({ author }) => author.peerId),
      compensation: units.toString(),
      token: noToken,
      atSeconds: Math.floor(this.nowMs() / 1000),
    });
    const salt = this.#next(32);
    const offer = parseDraft({
      buyer: this.accounts[0] ?? hexOf('b0', 20),
      custodian: this.custodians[0]?.account,
      arbiter: hexOf('ab', 20),
      token: noToken,
      price: units,
      validUntil: Math.floor(this.nowMs() / 1000) + 259_200,
      deliverWithin: 900,
      accessFor: ask.accessForMs / 1000,
      terms: termsOf(bytesOf(salt), consent),
      nonce: this.#next(32),
    });
    const draft: DraftView = {
      draftId: this.#next(8).slice(2),
      askId,
      offer: draftJson(offer),
      challenge: draftDigest(offer, domainOf(scriptedChain.chainId, scriptedChain.contract)),
      keySalt: this.#next(32),
      ...scriptedChain,
      consent,
      salt,
      passkeySigner: keySignerOf(verifiers.webAuthn, this.passkey.publicKey),
      price: { ...ask.price, units: units.toString() },
    };
    this.#drafts.set(draft.draftId, draft);
    return this.tamper(draft);
  }

  /** Checks everything that a home checks. */
  async accept(input: AcceptInput, origin: string): Promise<Hex> {
    const draft = this.#drafts.get(input.draftId);
    const ask = this.asks.find(({ askId }) => askId === draft?.askId);
    if (draft === undefined || ask === undefined || this.passkey === null) throw new Error('no such draft');
    const request = { challenge: draft.challenge, origins: [origin], rpId: 'localhost' };
    verifyAssertion(input.assertion, { ...this.passkey, counter: 0 }, request);
    const domain = domainOf(scriptedChain.chainId, scriptedChain.contract);
    // As `draftJson` gave it.
    const offer = offerOf(parseDraft(draft.offer as DraftJson), input.signer);
    const grantId = offerIdOf(offer, domain);
    const verdict = await verifyOfferSignature({ offer, grantId, signature: input.signature }, domain, verifiers);
    if (verdict !== 'valid') throw new Error(`the signature is ${verdict}`);
    this.grants.unshift({
      grantId,
      askId: ask.askId,
      subject: this.subject,
      organisation: ask.organisation,
      title: ask.title,
      purpose: ask.purpose,
      vitals: ask.vitals,
      fromMs: ask.fromMs,
      untilMs: ask.untilMs,
      price: draft.price,
      phase: 'offered',
      deadlineMs: offer.validUntil * 1000,
      offeredMs: this.nowMs(),
      purchaseTransaction: null,
      consent: draft.consent,
      accesses: 0,
      buyer: offer.buyer,
      signing: {
        signer: input.signer,
        keySalt: input.signer.length === 42 ? draft.keySalt : null,
        ...scriptedChain,
      },
    });
    this.setAsk(ask.askId, 'accepted');
    return grantId;
  }

  setPhase(grantId: Hex, phase: GrantPhase, deadlineMs: number | null = null): void {
    const index = this.grants.findIndex((grant) => grant.grantId === grantId);
    const grant = this.grants[index];
    if (grant === undefined) throw new Error('no such grant');
    this.grants[index] = { ...grant, phase, deadlineMs };
    this.changed();
  }

  /** A read, or one that was denied: into the log of the first custodian, and anchored. */
  async read(grantId: Hex, reason: string | null = null): Promise<void> {
    const grant = this.grants.find((one) => one.grantId === grantId);
    const custodian = this.custodians[0];
    if (grant === undefined || custodian === undefined) throw new Error('no such grant');
    const [fromSeconds, untilSeconds] = [grant.fromMs / 1000, grant.untilMs / 1000];
    const readId = this.#next(16).slice(2);
    const request = { grantId, readId, vital: 'readings', fromSeconds, untilSeconds, atMs: this.nowMs() } as const;
    const isServed = reason === null;
    const receipt = await custodian.log.append({
      kind: isServed ? 'read' : 'denied',
      grantId,
      reader: this.researcher.peerId,
      atMs: this.nowMs(),
      request: encodeReadRequest(signReadRequest(request, this.researcher)),
      purpose: grant.purpose,
      fromSeconds: isServed ? fromSeconds : 0,
      untilSeconds: isServed ? untilSeconds : 0,
      records: isServed ? 24 : 0,
      bytes: isServed ? 86_400 : 0,
      reason,
    });
    const { size, root } = custodian.log.checkpoint;
    const anchor: AnchorView = {
      custodian: custodian.author.peerId,
      root: toHex(root),
      count: size,
      transaction: this.#next(32),
      boardIndex: this.anchors.length,
      atMs: this.nowMs(),
    };
    this.anchors.unshift(anchor);
    this.accesses.unshift(viewOf(receipt, custodian.author.peerId, anchor));
    const index = this.grants.indexOf(grant);
    if (isServed) this.grants[index] = { ...grant, accesses: grant.accesses + 1 };
    this.changed();
  }

  next(bytes: number): Hex {
    return this.#next(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { log } of this.custodians) await log[Symbol.asyncDispose]();
  }

  #next(bytes: number): Hex {
    this.#count += 1;
    return `0x${this.#count.toString(16).padStart(bytes * 2, '7')}`;
  }
}

function viewOf({ record, index, ...rest }: AccessReceipt, custodian: string, anchor: AnchorView): AccessView {
  const { request: _request, ordinal: _ordinal, fromSeconds, untilSeconds, ...shown } = record;
  return {
    ...shown,
    organisation: 'Institute for Rhythm',
    custodian,
    fromMs: fromSeconds * 1000,
    untilMs: untilSeconds * 1000,
    index,
    receipt: Buffer.from(encodeAccessReceipt({ record, index, ...rest })).toString('base64'),
    anchor,
  };
}

function toHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`;
}

function bytesOf(hex: Hex): Uint8Array {
  return new Uint8Array(Buffer.from(hex.slice(2), 'hex'));
}
