import type { Ticker } from '@pulsemesh/base';
import { startTicker } from '@pulsemesh/base/clock';
import { errorCode } from '@pulsemesh/base/errors';
import { SealRefusedError } from '@pulsemesh/identity/envelope';
import { concatBytes, DecodeError, fromHex, toHex } from '@pulsemesh/wire';
import { idBytes } from '../../inbox-id.ts';
import type { ClientDependencies, PairKeys, SendOptions, SendReceipt } from '../types.ts';
import { type KeptMessage, KeptMessages, keptContent } from './kept-messages.ts';
import { type HeldSession, PairBook, type Peeked } from './pair-book.ts';
import { againIdOf, encodeControl, type PairControl, type PairFrame, parseControl } from './pair-frame.ts';
import type { PairChange, PairStore } from './pair-store.ts';
import type { SealedMailOptions } from './sealed-mail.ts';
import { Talkers } from './talkers.ts';
import type { Turns } from './turns.ts';

type PairUseOptions<Contact> = Omit<SealedMailOptions<Contact, unknown>, 'pairs' | 'inboxState'> & {
  readonly store: PairStore;
  readonly keys: PairKeys<Contact>;
};

/** What is kept until it is delivered: as long as a relay keeps a message, at most. */
const ttlSecondsMax = 14 * 86_400;
const againCountMax = 10_000;

/** The pair sessions of a client at work: offers them, seals in them, keeps what was sealed, and sends it again where that is needed. */
export class PairUse<Contact> implements AsyncDisposable {
  readonly #options: PairUseOptions<Contact>;
  readonly #dependencies: ClientDependencies;
  readonly #book: PairBook<Contact>;
  readonly #kept: KeptMessages;
  readonly #talkers: Talkers;
  readonly #turns: Turns;
  /** Sessions that the other side lost, while messages of them are kept. */
  readonly #lost: Map<string, Promise<void> | null>;
  /** First ids by the ids that messages go again under. */
  readonly #again = new Map<string, string>();
  readonly #ticker: Ticker;
  #readCount = 0;
  #isOver = false;

  private constructor(
    options: PairUseOptions<Contact>,
    state: { readonly book: PairBook<Contact>; readonly kept: KeptMessages; readonly lost: readonly string[] },
    turns: Turns,
    dependencies: ClientDependencies,
  ) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#book = state.book;
    this.#kept = state.kept;
    this.#talkers = new Talkers(options.limits);
    this.#turns = turns;
    this.#lost = new Map(state.lost.map((session) => [session, null]));
    for (const session of state.lost) for (const message of this.#kept.of(session)) this.#noteAgain(message);
    this.#ticker = startTicker(
      dependencies.clock,
      options.limits.saveEveryMs,
      () => this.#look(),
      () => {},
    );
  }

  /** Reads what is kept; then makes the object. @throws what the store throws. */
  static async open<Contact>(
    options: PairUseOptions<Contact>,
    dependencies: ClientDependencies,
  ): Promise<(turns: Turns) => PairUse<Contact>> {
    const { store, keys, limits } = options;
    const rows = {
      session: await store.rows('session'),
      kept: await store.rows('kept'),
      lost: await store.rows('lost'),
    };
    const book = new PairBook(rows.session, keys, { limits, clock: dependencies.clock });
    const kept = new KeptMessages(rows.kept, limits);
    const lost = rows.lost.map(({ key }) => toHex(key));
    return (turns) => new PairUse(options, { book, kept, lost }, turns, dependencies);
  }

  peerOf(contact: Contact): string {
    return toHex(this.#options.keys.keyOf(contact));
  }

  hasSessionTo(contact: Contact): boolean {
    return this.#book.sessionTo(contact) !== null;
  }

  /**
   * Seals a message in the session with its recipient, and keeps it; null where it goes in an envelope. Seals at once, in the order of the
   * calls; resolves once state and message are kept. @throws what the store throws.
   */
  seal(
    to: Contact,
    bytes: Uint8Array,
    options: SendOptions & { readonly messageId: Uint8Array },
  ): Promise<Uint8Array> | null {
    const { limits, store, keys } = this.#options;
    // What is under way in one session goes first: were that one lost, what is sealed in another would overtake it.
    const held = this.#book.sessionTo(to, this.#kept.underWayTo(this.peerOf(to)));
    // Without receipts it would never be known to be delivered.
    const fits = options.receipts !== false && bytes.length <= limits.messageBytesMax;
    if (held === null || !fits || !this.#kept.hasRoomFor(bytes.length)) return null;
    const sealed = this.#book.seal(held, to, [options.messageId, bytes]);
    if (sealed === null) return null;
    const ttlSeconds = Math.min(options.ttlSeconds ?? ttlSecondsMax, ttlSecondsMax);
    const message = {
      messageId: toHex(options.messageId),
      publicKey: keys.keyOf(to),
      session: held.session.id,
      priority: options.priority ?? 'normal',
      expiresMs: this.#dependencies.clock.now() + ttlSeconds * 1000,
      relays: options.relays ?? [],
    };
    return store.save([sealed.change, this.#kept.add(message, bytes)]).then(() => sealed.frame);
  }

  peek(frame: PairFrame): Peeked<Contact> {
    return this.#book.peek(frame);
  }

  /** What a frame said is durable. */
  opened(held: HeldSession, frame: PairFrame, from: Contact): void {
    this.#book.forget(held, frame);
    this.#readCount += 1;
    if (this.#readCount >= this.#options.limits.saveEveryCount) this.#inBackground(() => this.#saveRead());
    if (held.session.isReplyDue) this.#inBackground(() => this.#renewKeys(held, from));
    this.heard(from, held);
  }

  /** Somebody wrote, in this session or in an envelope. Whoever does so often is offered a session to write in. */
  heard(from: Contact, held: HeldSession | null): void {
    const nowMs = this.#dependencies.clock.now();
    const peer = this.peerOf(from);
    const isOften = held !== null || this.#talkers.heard(peer, nowMs);
    if (!isOften || !this.#book.isOfferDue(held) || !this.#talkers.offer(peer, nowMs)) return;
    this.#inBackground(() => this.#offer(from));
  }

  async #offer(to: Contact): Promise<void> {
    const { handshake, changes } = this.#book.begin(to);
    // It is there before anybody writes in it.
    await this.#options.store.save(changes);
    await this.#sendControl(to, { kind: 'begin', handshake });
    this.#options.events.pair('offered');
  }

  async #sendControl(to: Contact, control: PairControl): Promise<void> {
    const { sealer, send } = this.#options;
    const messageId = this.#dependencies.random.bytes(idBytes);
    const envelope = await sealer.seal(to, encodeControl(control), messageId, 'control');
    await send([sealer.inboxOf(to)], envelope, { messageId, receipts: false });
  }

  /** An empty batch, so that the next ones of both have fresh keys. */
  async #renewKeys(held: HeldSession, to: Contact): Promise<void> {
    const { sealer, send, store } = this.#options;
    const sealed = this.#book.seal(held, to, []);
    if (sealed === null) return;
    await store.save([sealed.change]);
    const messageId = this.#dependencies.random.bytes(idBytes);
    await send([sealer.inboxOf(to)], sealed.frame, { messageId, receipts: false });
  }

  /** What another client says about sessions. Resolves with nothing once it is acted upon. @throws what the store throws; {OutboxFullError}. */
  async control(from: Contact, bytes: Uint8Array): Promise<undefined> {
    const { events } = this.#options;
    try {
      const control = parseControl(bytes);
      if (control.kind === 'begin') await this.#accept(from, control.handshake);
      else await this.#takeLost(from, control.session);
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof SealRefusedError)) throw error;
      events.pair('refused');
    }
    return undefined;
  }

  async #accept(from: Contact, handshake: Uint8Array): Promise<void> {
    const changes = this.#book.accept(from, handshake);
    this.#options.events.pair(changes.length > 0 ? 'accepted' : 'refused');
    await this.#options.store.save(changes);
  }

  async #takeLost(from: Contact, session: string): Promise<void> {
    const { keys, store, events } = this.#options;
    const publicKey = keys.keyOf(from);
    const isTheirs = this.#kept.of(session).some((message) => toHex(message.publicKey) === toHex(publicKey));
    const changes = this.#book.retire(session, publicKey);
    if (changes.length > 0) events.pair('lost');
    if (!isTheirs || this.#lost.has(session)) {
      await store.save(changes);
      return;
    }
    this.#lost.set(session, null);
    for (const message of this.#kept.of(session)) this.#noteAgain(message);
    // The order is that of the calls: what is sent from now on comes after.
    const resending = this.#resend(session);
    const lost: PairChange = { kind: 'lost', key: fromHex(session, idBytes), value: new Uint8Array(0) };
    await store.save([...changes, lost]);
    await resending;
  }

  #noteAgain({ messageId, session }: KeptMessage): void {
    // A Map keeps the order of insertion: the first is the oldest.
    if (this.#again.size >= againCountMax) this.#again.delete(this.#again.keys().next().value as string);
    this.#again.set(toHex(againIdOf(messageId, session)), messageId);
  }

  /** Sends what is kept of a session in envelopes. What the outbox has under its id already is not sent twice. */
  #resend(session: string): Promise<void> {
    const [first] = this.#kept.of(session);
    const underWay = this.#lost.get(session);
    if (first === undefined || (underWay !== null && underWay !== undefined)) return underWay ?? Promise.resolve();
    const work = async () => {
      for (const message of this.#kept.of(session)) if (!this.#isOver) await this.#sendAgain(message);
    };
    const resending = this.#turns.whole(toHex(first.publicKey), work).catch((error: unknown) => {
      this.#lost.set(session, null); // tried again with the next look
      throw error;
    });
    this.#lost.set(session, resending);
    return resending;
  }

  async #sendAgain(message: KeptMessage): Promise<void> {
    const { keys, store, sealer, send, events } = this.#options;
    const { key, publicKey, messageId, session, expiresMs, priority, relays } = message;
    const to = keys.contactOf(publicKey);
    const value = await store.get('kept', key);
    const bytes = value === undefined ? null : keptContent({ key, value });
    const ttlSeconds = Math.ceil((expiresMs - this.#dependencies.clock.now()) / 1000);
    if (to === null || bytes === null || ttlSeconds <= 0) {
      this.forgetKept(messageId);
      return;
    }
    const id = againIdOf(messageId, session);
    const envelope = await sealer.seal(to, concatBytes(fromHex(messageId, idBytes), bytes), id, 'again');
    await send([sealer.inboxOf(to)], envelope, { messageId: id, ttlSeconds, priority, relays });
    events.pair('again');
  }

  /** Notes what relays have; the receipt under the id that the application knows. */
  noted(receipt: SendReceipt): SendReceipt {
    const { kind, relay } = receipt;
    const first = this.#again.get(receipt.messageId);
    const messageId = first ?? receipt.messageId;
    if (kind === 'refused' || (kind === 'stored' && first !== undefined)) this.forgetKept(messageId);
    else if (kind === 'stored') this.#kept.stored(messageId, relay);
    return first === undefined ? receipt : { ...receipt, messageId };
  }

  /** A relay says that it was delivered, and all that came before from that relay was taken. */
  delivered(messageId: string, relay: string): void {
    // Taken off the relay by a reader that said it cannot open it.
    if (this.#lost.has(this.#kept.sessionOf(messageId) ?? '')) return;
    this.#save(this.#kept.delivered(messageId, relay));
  }

  forgetKept(messageId: string): void {
    this.#save(this.#kept.remove(messageId));
  }

  /** What is not saved because this fails is kept a little longer, or saved with the next change. */
  #save(changes: readonly PairChange[]): void {
    if (changes.length > 0) this.#inBackground(() => this.#options.store.save(changes));
  }

  async #saveRead(): Promise<void> {
    this.#readCount = 0;
    await this.#options.store.save(this.#book.dirty());
  }

  #look(): void {
    this.#save([...this.#book.sweep(), ...this.#kept.sweep(this.#dependencies.clock.now()), ...this.#book.dirty()]);
    this.#readCount = 0;
    for (const [session, underWay] of this.#lost) {
      if (this.#kept.of(session).length === 0) {
        this.#lost.delete(session);
        this.#save([{ kind: 'lost', key: fromHex(session, idBytes), value: null }]);
      } else if (underWay === null) this.#inBackground(() => this.#resend(session));
    }
  }

  #inBackground(work: () => Promise<void>): void {
    if (this.#isOver) return;
    work().catch((error: unknown) => this.#options.events.pairFailed(errorCode(error)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ticker.stop();
    await this.#options.store.save(this.#book.dirty()).catch(() => {});
  }
}
