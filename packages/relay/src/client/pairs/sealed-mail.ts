import { equalBytes, toHex } from '@pulsemesh/wire';
import { type InboxId, idBytes } from '../../inbox-id.ts';
import type { ReceiptContent } from '../../wire/receive.ts';
import type { AfterHeld, DoneLater, Held } from '../deliveries.ts';
import { UnknownSenderError } from '../envelope-sealer.ts';
import { SendRefusedError } from '../errors.ts';
import type { RelayClientEvents } from '../events.ts';
import type {
  ClientDependencies,
  InboxState,
  MessageHandler,
  Opened,
  RawMessage,
  ReceivedMessage,
  Sealer,
  SendOptions,
  SendReceipt,
  SentMessage,
} from '../types.ts';
import { Losses } from './losses.ts';
import { encodeControl, type PairFrame, parsePairFrame } from './pair-frame.ts';
import type { PairUseLimits } from './pair-limits.ts';
import type { PairStore } from './pair-store.ts';
import { PairUse } from './pair-use.ts';
import { Turns } from './turns.ts';

/** Gives a sealed message to the outbox; takes its place in the order before it returns. */
export type SendEnvelope = (
  to: readonly InboxId[],
  envelope: Uint8Array,
  options: SendOptions & { readonly messageId: Uint8Array },
) => Promise<SentMessage>;

/** What became of a message. `marked`: its mark is durable. `unopened`: dropped, without a mark. */
export type TakeOutcome = 'marked' | 'unopened' | undefined | DoneLater | Held | AfterHeld;

export interface SealedMailOptions<Contact, Mark> {
  readonly sealer: Sealer<Contact>;
  readonly inboxState: InboxState<Mark>;
  /** Null: writes envelopes only, and tells others what it cannot open. */
  readonly pairs: PairStore | null;
  readonly limits: PairUseLimits;
  readonly send: SendEnvelope;
  readonly events: RelayClientEvents;
  readonly strangers: Strangers<Contact>;
}

/** What is done with messages of those who are not among the contacts. */
export interface Strangers<Contact> {
  take(message: RawMessage, publicKey: Uint8Array): Held | 'unopened';
  /** For what nobody can be told of now: it comes again on the next session, where there is room to let it wait. */
  wait(message: RawMessage): Held | 'unopened';
  /** Not null: messages of this contact from when it was none are to be read first. */
  heldBefore(from: Contact): AfterHeld | null;
}

/**
 * Sealed messages through mailboxes: in envelopes, and between two who write often in pair sessions. Whoever cannot open a batch any more
 * tells its writer, who sends what was not delivered again, in envelopes: nothing is lost, and the mark of its first id keeps it from
 * counting twice.
 */
export class SealedMail<Contact, Mark> implements AsyncDisposable {
  readonly #options: SealedMailOptions<Contact, Mark>;
  readonly #random: ClientDependencies['random'];
  readonly #turns = new Turns();
  readonly #pairs: PairUse<Contact> | null;
  readonly #losses: Losses;
  readonly #clock: ClientDependencies['clock'];
  #isReading = false;

  private constructor(
    options: SealedMailOptions<Contact, Mark>,
    pairs: ((turns: Turns) => PairUse<Contact>) | null,
    { random, clock }: ClientDependencies,
  ) {
    this.#options = options;
    this.#random = random;
    this.#clock = clock;
    this.#losses = new Losses(options.limits);
    this.#pairs = pairs === null ? null : pairs(this.#turns);
  }

  /** Resolves once the sessions that were kept are read. @throws what the store throws. */
  static async open<Contact, Mark>(
    options: SealedMailOptions<Contact, Mark>,
    dependencies: ClientDependencies,
  ): Promise<SealedMail<Contact, Mark>> {
    const { pairs: store, sealer } = options;
    const keys = sealer.pairs;
    const open =
      store === null || keys === undefined ? null : await PairUse.open({ ...options, store, keys }, dependencies);
    return new SealedMail(options, open, dependencies);
  }

  /** As `RelayClient.send`. */
  async send(to: Contact, bytes: Uint8Array, options: SendOptions = {}): Promise<SentMessage> {
    options.signal?.throwIfAborted();
    const { sealer, send } = this.#options;
    const messageId = this.#random.bytes(idBytes);
    const dispatch = (envelope: Uint8Array) => send([sealer.inboxOf(to)], envelope, { ...options, messageId });
    const pairs = this.#pairs;
    if (pairs === null) return dispatch(await sealer.seal(to, bytes, messageId));
    const sealed = this.#isReading ? pairs.seal(to, bytes, { ...options, messageId }) : null;
    // Who has a session for it and does not use it is not to be offered another one.
    const kind = options.receipts === false || pairs.hasSessionTo(to) ? 'plain' : 'message';
    try {
      const envelope = sealed ?? sealer.seal(to, bytes, messageId, kind);
      return await this.#turns.inTurn(pairs.peerOf(to), envelope, dispatch);
    } catch (error) {
      if (sealed !== null) pairs.forgetKept(toHex(messageId));
      throw error;
    }
  }

  /** From now on sessions can be written in: what others say about them is read. */
  read(): void {
    this.#isReading = true;
  }

  /** Opens one message and gives it to the handler, where it is for the application. May be called again for the same when it rejects. */
  async take(
    message: RawMessage,
    mark: Mark,
    handler: MessageHandler<ReceivedMessage<Contact>, Mark>,
  ): Promise<TakeOutcome> {
    const frame = parsePairFrame(message.envelope);
    if (frame !== null) return this.#takeFrame(message, frame, mark, handler);
    let opened: Opened<Contact>;
    try {
      opened = await this.#options.sealer.open(message.envelope);
    } catch (error) {
      // Else it is forged, damaged, or for somebody else: it will not get better.
      return error instanceof UnknownSenderError ? this.#options.strangers.take(message, error.publicKey) : 'unopened';
    }
    // The same envelope under another id would be the same message again.
    if (!equalBytes(opened.messageId, message.messageId)) return 'unopened';
    const { from, bytes, kind = 'plain' } = opened;
    const after = this.#options.strangers.heldBefore(from);
    if (after !== null) return after;
    if (kind === 'control') return this.#pairs?.control(from, bytes);
    if (kind === 'again') return this.#takeAgain({ ...message, from, bytes }, handler);
    await this.#give({ ...message, from, bytes }, mark, handler);
    if (kind === 'message') this.#pairs?.heard(from, null);
    return 'marked';
  }

  /** The effect, and its mark. */
  async #give(
    message: ReceivedMessage<Contact>,
    mark: Mark,
    handler: MessageHandler<ReceivedMessage<Contact>, Mark>,
  ): Promise<void> {
    const outcome = await handler(message, mark);
    if (outcome !== 'marked') await this.#options.inboxState.write(mark);
  }

  /** A message that was sealed in a session before: known by its first id, whichever of the two copies comes first. */
  async #takeAgain(
    message: ReceivedMessage<Contact>,
    handler: MessageHandler<ReceivedMessage<Contact>, Mark>,
  ): Promise<TakeOutcome> {
    if (message.bytes.length < idBytes) return 'unopened';
    const { inboxState } = this.#options;
    const messageId = message.bytes.slice(0, idBytes);
    if (await inboxState.isDone(messageId)) return undefined;
    const first = { ...message, messageId, bytes: message.bytes.subarray(idBytes) };
    await this.#give(first, inboxState.markOf(messageId), handler);
    return 'marked';
  }

  async #takeFrame(
    message: RawMessage,
    frame: PairFrame,
    mark: Mark,
    handler: MessageHandler<ReceivedMessage<Contact>, Mark>,
  ): Promise<TakeOutcome> {
    const peeked = this.#pairs?.peek(frame) ?? { kind: 'lost' };
    if (peeked.kind === 'lost') return this.#tellLost(message, frame);
    const { held, from, messages } = peeked;
    const [id, bytes] = messages;
    if (id !== undefined && bytes !== undefined) {
      // One that opens under another id is that one, which may still come.
      if (messages.length > 2 || !equalBytes(id, message.messageId)) return 'unopened';
      await this.#give({ ...message, from, bytes }, mark, handler);
    } else if (messages.length > 0) return 'unopened';
    this.#pairs?.opened(held, frame, from);
    return id === undefined ? undefined : 'marked';
  }

  /**
   * Tells whose batch it is, through the relay that brought it and into the mailbox where that relay's receipts go: so it is read
   * before the receipt that the acknowledgement makes, and what did not open is not taken for delivered. Where they cannot be told now, it
   * waits at the relay, as far as there is room for what waits.
   */
  #tellLost(message: RawMessage, frame: PairFrame): TakeOutcome {
    const { sealer, strangers } = this.#options;
    const hint = sealer.pairs?.openHint(frame.hint) ?? null;
    const to = hint === null ? null : (sealer.pairs?.contactOf(hint.senderKey) ?? null);
    if (hint === null || to === null) return 'unopened';
    const loss = { peer: toHex(hint.senderKey), session: hint.session, relay: message.relay };
    const told = this.#losses.once(loss, this.#clock.now(), () => this.#sendLost(to, hint.session, message.relay));
    return told === null ? strangers.wait(message) : { doneWhen: told };
  }

  /** Rejects where they are to be told again. */
  async #sendLost(to: Contact, session: string, relay: string): Promise<void> {
    const { sealer, send, events } = this.#options;
    events.pair('told-lost');
    const messageId = this.#random.bytes(idBytes);
    const content = encodeControl({ kind: 'lost', session });
    const envelope = await sealer.seal(to, content, messageId, 'control');
    const { stored } = await send([sealer.addressOf(to)], envelope, { messageId, relays: [relay], receipts: false });
    await stored.catch((error: unknown) => {
      // Without a mailbox there, they can never be told there.
      if (!(error instanceof SendRefusedError && error.code === 'no-such-inbox')) throw error;
    });
  }

  /** What the application is told of a receipt; notes what relays have. */
  told(receipt: SendReceipt): SendReceipt {
    return this.#pairs?.noted(receipt) ?? receipt;
  }

  /** True where receipts are to be settled in the order of the messages, by {@link settle}. */
  get settles(): boolean {
    return this.#pairs !== null && this.#isReading;
  }

  /** A receipt, after all messages that came before it were taken. */
  settle(relay: string, { messageId }: ReceiptContent): void {
    this.#pairs?.delivered(toHex(messageId), relay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pairs?.[Symbol.asyncDispose]();
  }
}
