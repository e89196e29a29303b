import type { WaitOptions } from '@pulsemesh/base';
import { errorCode } from '@pulsemesh/base/errors';
import type { LinkSession, LinkStream } from '@pulsemesh/link';
import { equalBytes, toHex } from '@pulsemesh/wire';
import { addressOfKey, type InboxId, idBytes, inboxIdOfToken } from '../inbox-id.ts';
import { decodeClaimResponse, encodeClaimRequest } from '../wire/agents.ts';
import { relayWireLimits } from '../wire/limits.ts';
import { idInCall, newCallId } from './call-ids.ts';
import { Deliveries, type ReceiptUse } from './deliveries.ts';
import { NoSealerError, NotOfThisCallError, UnsendableError } from './errors.ts';
import { createRelayClientEvents, type RelayClientEvents } from './events.ts';
import { type RelayClientLimits, relayClientLimits } from './limits.ts';
import { createMemoryOutbox } from './memory-state.ts';
import { Outgoing } from './outgoing.ts';
import { type PairUseLimits, pairUseLimits } from './pairs/pair-limits.ts';
import type { PairStore } from './pairs/pair-store.ts';
import { SealedMail, type SendEnvelope, type Strangers } from './pairs/sealed-mail.ts';
import { PeerCalls } from './peer-calls.ts';
import { type PresenceHandler, PresenceWatch } from './presence.ts';
import { RelayReceiver } from './receiver.ts';
import { Retry } from './retry.ts';
import { createCallsSeen, SealedStream } from './sealed-stream.ts';
import { Subscriptions, type TopicHandler } from './subscriptions.ts';
import type {
  ClientDependencies,
  ContinuityLost,
  InboxState,
  InboxToken,
  MessageHandler,
  Outbox,
  RawMessage,
  RawStreamHandler,
  ReceivedMessage,
  RelayUse,
  Sealer,
  SendOptions,
  SendReceipt,
  SentMessage,
  StrangerHandler,
} from './types.ts';

export interface RelayClientOptions<Contact, Mark> {
  /** One or several; not disposed with the client. */
  readonly relays: readonly RelayUse[];
  /** The key the links log in with. */
  readonly identity: { readonly publicKey: Uint8Array };
  /** Null: only `raw` can be used. */
  readonly sealer: Sealer<Contact> | null;
  /** What was acted upon; `createMemoryInboxState` or `createTableInboxState`. */
  readonly inboxState: InboxState<Mark>;
  /** Default: in memory. */
  readonly outbox?: Outbox;
  /**
   * Where pair sessions are kept: with them, agents who write often seal in a session instead of one envelope for each message, as far
   * as the other side does so too. `createTablePairs`, in the store of the inbox state; default: envelopes only.
   */
  readonly pairs?: PairStore;
  readonly pairLimits?: Partial<PairUseLimits>;
  /** Inboxes to claim and read besides the agent's address. */
  readonly inboxes?: readonly InboxToken[];
  readonly limits?: Partial<RelayClientLimits>;
  /** False where something else takes the streams that come over these links: nothing is served here then. Default true. */
  readonly takesStreams?: boolean;
}

/** What goes through the relay as it is: for contents that are sealed or encrypted by whoever calls. */
export interface RawRelayClient<Mark> {
  /** Takes a sealed envelope (at most 1 MiB) for 1 … 256 inboxes. As `RelayClient.send`. */
  send(to: readonly InboxId[], envelope: Uint8Array, options?: SendOptions): Promise<SentMessage>;
  receive(handler: MessageHandler<RawMessage, Mark>): void;
  /** One message and its answer. @throws {AgentUnreachableError}; {LinkRemoteError}; `signal.reason`. */
  request(to: InboxId, name: string, message: Uint8Array, options?: WaitOptions): Promise<Uint8Array>;
  /**
   * A stream to an agent that is online, by address or an inbox id that takes streams. Does not wait for the other end: a refusal
   * breaks the stream. @throws {AgentUnreachableError} when no relay has a session.
   */
  stream(to: InboxId, name: string, options?: { readonly relay?: string }): LinkStream;
  /** Takes streams that others open under this name. */
  serve(name: string, handler: RawStreamHandler): Disposable;
  /** To those who are online and subscribed, at most once. */
  publish(topic: InboxId, payload: Uint8Array): void;
  subscribe(topic: InboxId, handler: TopicHandler): Disposable;
}

/** An agent's mailboxes and streams at one or several relays. */
export interface RelayClient<Contact, Mark> extends AsyncDisposable {
  /** The agent's own address, an inbox like others. */
  readonly address: InboxId;
  readonly raw: RawRelayClient<Mark>;
  /**
   * Seals the bytes and keeps them until the recipient's relays have them: resolves once they are in the outbox. Order is kept for
   * each priority. @throws {OutboxFullError}; {UnsendableError}; {RelayClientClosedError}; what sealing and the outbox throw; `signal.reason`.
   */
  send(to: Contact, bytes: Uint8Array, options?: SendOptions): Promise<SentMessage>;
  /** Gives each message once to the handler, in order. One handler. What cannot be opened is dropped and counted. */
  receive(handler: MessageHandler<ReceivedMessage<Contact>, Mark>): void;
  /** Asked about each message of somebody who is not among the contacts. One handler; default: they are dropped and counted. */
  onStranger(handler: StrangerHandler): void;
  /** As `raw.request`, sealed both ways; the answer is to this question and by `to`. @throws {NotOfThisCallError}. */
  request(to: Contact, name: string, bytes: Uint8Array, options?: WaitOptions): Promise<Uint8Array>;
  /** As `raw.stream`, each message sealed. */
  stream(to: Contact, name: string, options?: { readonly relay?: string }): SealedStream<Contact>;
  /** Takes sealed streams and requests under this name. */
  serve(name: string, handler: (stream: SealedStream<Contact>) => Promise<void>): Disposable;
  onReceipt(handler: (receipt: SendReceipt) => void): Disposable;
  /** A relay lost its store: what it held for the inbox and had not delivered is gone. */
  onContinuityLost(handler: (lost: ContinuityLost) => void): Disposable;
  /** Who of these is online, as far as the relays say; at once and after each change. */
  watchPresence(addresses: readonly InboxId[], handler: PresenceHandler): Disposable;
  /** Shows this agent as offline to watchers, on all relays, now and later. */
  setInvisible(isInvisible: boolean): void;
  /** Claims and reads further inboxes, on all relays, now and on later sessions. */
  addInboxes(tokens: readonly InboxToken[]): void;
  /** Messages that wait in the outbox. */
  readonly outboxCount: number;
}

/** Starts a client over links that live on their own; resolves once the outbox and the positions are read. */
export async function connectRelay<Contact, Mark>(
  options: RelayClientOptions<Contact, Mark>,
  dependencies: ClientDependencies,
): Promise<RelayClient<Contact, Mark>> {
  const client = new RunningClient(options, dependencies);
  await client.start();
  return client;
}

/** Also the default. A relay knows a message's id that long, and a receiver longer: sent again later, it could count twice. */
const ttlSecondsMax = 14 * 86_400;

/** Whom messages wait for that are of no stranger. */
const nobody = '';

class RunningClient<Contact, Mark> implements RelayClient<Contact, Mark> {
  readonly address: InboxId;
  readonly raw: RawRelayClient<Mark>;
  readonly #options: RelayClientOptions<Contact, Mark>;
  readonly #dependencies: ClientDependencies;
  readonly #events: RelayClientEvents;
  readonly #outgoing: Outgoing;
  readonly #deliveries: Deliveries<Mark>;
  readonly #receivers = new Map<string, RelayReceiver>();
  readonly #claimRetries = new Map<string, Retry>();
  readonly #calls: PeerCalls;
  readonly #topics: Subscriptions;
  readonly #presence: PresenceWatch;
  readonly #receiptHandlers = new Set<(receipt: SendReceipt) => void>();
  readonly #lostHandlers = new Set<(lost: ContinuityLost) => void>();
  readonly #stack = new DisposableStack();
  /** Null: no sealer, or not started. */
  #mail: SealedMail<Contact, Mark> | null = null;
  #strangerHandler: StrangerHandler = () => 'drop';
  readonly #callsSeen = createCallsSeen();
  #tokens: readonly InboxToken[];

  constructor(options: RelayClientOptions<Contact, Mark>, dependencies: ClientDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.address = addressOfKey(options.identity.publicKey);
    this.#tokens = options.inboxes ?? [];
    const { logger, meter } = dependencies;
    this.#events = createRelayClientEvents(logger, meter);
    const limits = { ...relayClientLimits, ...options.limits };
    const names = options.relays.map(({ name }) => name);
    const tell = (receipt: SendReceipt) => {
      const told = this.#mail?.told(receipt) ?? receipt;
      for (const handler of this.#receiptHandlers) handler(told);
    };
    const outbox = options.outbox ?? createMemoryOutbox();
    this.#outgoing = new Outgoing(names, outbox, limits, this.#events, tell, dependencies);
    this.#deliveries = new Deliveries(options.inboxState, limits, this.#events, this.#receiptUse(), dependencies);
    for (const name of names) {
      this.#receivers.set(name, this.#newReceiver(name, limits));
      this.#claimRetries.set(name, new Retry(limits.retryMsMin, limits.retryMsMax, dependencies));
    }
    this.#calls = new PeerCalls(options.relays, limits, dependencies);
    this.#topics = new Subscriptions(dependencies);
    this.#presence = new PresenceWatch();
    this.raw = {
      send: (to, envelope, sendOptions) => this.#send(to, envelope, sendOptions),
      receive: (handler) => this.#deliveries.handle(handler),
      request: (to, name, message, wait) => this.#calls.request(to, name, message, wait),
      stream: (to, name, choice) => this.#calls.stream(to, name, choice?.relay),
      serve: (name, handler) => this.#calls.serve(name, handler),
      publish: (topic, payload) => this.#topics.publish(topic, payload),
      subscribe: (topic, handler) => this.#topics.subscribe(topic, handler),
    };
  }

  #receiptUse(): ReceiptUse {
    const mail = () => this.#mail;
    return {
      onReceipt: (relay, receipt) => this.#outgoing.receipt(relay, receipt),
      get settle(): ReceiptUse['settle'] {
        const settling = mail();
        return settling?.settles ? (relay, receipt) => settling.settle(relay, receipt) : null;
      },
    };
  }

  #strangersOf(sealer: Sealer<Contact>): Strangers<Contact> {
    return {
      take: (message, publicKey) => {
        const sender = toHex(publicKey);
        const canBeKept = this.#deliveries.hasRoomFor(sender, message.envelope.length);
        const fate = this.#strangerHandler({ ...message, publicKey, canBeKept });
        return fate === 'keep' && canBeKept ? { heldFor: sender } : 'unopened';
      },
      wait: ({ envelope }) => (this.#deliveries.hasRoomFor(nobody, envelope.length) ? { heldFor: nobody } : 'unopened'),
      heldBefore: (from) => {
        const publicKey = sealer.pairs?.keyOf(from);
        if (publicKey === undefined) return null;
        const sender = toHex(publicKey);
        return this.#deliveries.hasHeldFor(sender) ? { afterHeldFor: sender } : null;
      },
    };
  }

  #newReceiver(relay: string, limits: RelayClientLimits): RelayReceiver {
    const { inboxState } = this.#options;
    const events = {
      onArrival: this.#deliveries.add.bind(this.#deliveries),
      onLost: (inbox: InboxId) => {
        this.#events.continuityLost(relay);
        for (const handler of this.#lostHandlers) handler({ relay, inbox });
      },
      // It only serves to notice a loss: what is not saved is noticed a little less surely.
      onPosition: (position: Parameters<InboxState<Mark>['savePosition']>[0]) =>
        void inboxState.savePosition(position).catch(() => {}),
      onBroken: () => this.#deliveries.drop(relay),
    };
    return new RelayReceiver(relay, limits, this.#events, events, this.#dependencies);
  }

  async start(): Promise<void> {
    const { sealer, pairs = null, pairLimits, inboxState } = this.#options;
    if (sealer !== null) {
      const limits = { ...pairUseLimits, ...pairLimits };
      const send: SendEnvelope = (to, envelope, options) => this.#send(to, envelope, options);
      const strangers = this.#strangersOf(sealer);
      const options = { sealer, inboxState, pairs, limits, send, events: this.#events, strangers };
      this.#mail = await SealedMail.open(options, this.#dependencies);
    }
    for (const position of await this.#options.inboxState.positions()) {
      this.#receivers.get(position.relay)?.remember(position);
    }
    await this.#outgoing.restore();
    for (const receiver of this.#receivers.values()) receiver.watch([this.address]);
    for (const { name, link } of this.#options.relays) {
      this.#stack.use(link.onSession((session) => this.#useSession(name, session)));
    }
  }

  #useSession(relay: string, session: LinkSession): void {
    this.#claimRetries.get(relay)?.cancel();
    if (this.#options.takesStreams !== false) this.#calls.useSession(relay, session);
    this.#outgoing.sender(relay)?.useSession(session);
    this.#topics.useSession(relay, session);
    this.#presence.useSession(relay, session);
    this.#deliveries.drop(relay);
    void this.#claim(relay, session, this.#tokens).then(() => {
      if (!this.#stack.disposed) this.#receivers.get(relay)?.useSession(session);
    });
    void session.closed.then(() => this.#presence.lost(relay, session));
  }

  /** Claims on one session; where that fails, again a little later, while the session lives. */
  async #claim(relay: string, session: LinkSession, tokens: readonly InboxToken[]): Promise<void> {
    const nowMs = this.#dependencies.clock.now();
    const claims = tokens
      .filter(({ untilMs }) => untilMs > nowMs)
      .map(({ token, untilMs, takesStreams = false }) => ({
        token,
        forSeconds: Math.ceil((untilMs - nowMs) / 1000),
        takesStreams,
      }));
    for (let begin = 0; begin < claims.length; begin += relayWireLimits.claimsMax) {
      const part = claims.slice(begin, begin + relayWireLimits.claimsMax);
      try {
        const answer = await session.request('inbox.claim', encodeClaimRequest({ claims: part, release: [] }));
        const results = decodeClaimResponse(answer);
        this.#claimRetries.get(relay)?.wentWell();
        for (const { code } of results) if (code !== '') this.#events.claimRefused(relay, code);
        const claimed = results.filter(({ code }) => code === '').map(({ inbox }) => inbox);
        this.#receivers.get(relay)?.watch(claimed);
      } catch (error) {
        this.#events.claimRefused(relay, errorCode(error));
        this.#claimLater(relay, session);
        return;
      }
    }
  }

  #claimLater(relay: string, session: LinkSession): void {
    this.#claimRetries.get(relay)?.later(() => {
      const isCurrent = this.#options.relays.some(({ name, link }) => name === relay && link.session === session);
      if (isCurrent) void this.#claim(relay, session, this.#tokens);
    });
  }

  addInboxes(tokens: readonly InboxToken[]): void {
    const known = new Set(this.#tokens.map(({ token }) => inboxIdOfToken(token)));
    const added = tokens.filter(({ token }) => !known.has(inboxIdOfToken(token)));
    this.#tokens = [...this.#tokens, ...added];
    for (const { name, link } of this.#options.relays) {
      if (link.session !== null) void this.#claim(name, link.session, added);
    }
  }

  async #send(
    to: readonly InboxId[],
    envelope: Uint8Array,
    options: SendOptions & { readonly messageId?: Uint8Array } = {},
  ): Promise<SentMessage> {
    options.signal?.throwIfAborted();
    const targets = [...new Set(to)];
    if (targets.length === 0 || targets.length > relayWireLimits.targetsMax) throw new UnsendableError('targets');
    if (envelope.length > relayWireLimits.envelopeBytesMax) throw new UnsendableError('envelopeBytesMax');
    const { clock, random } = this.#dependencies;
    const ttlSeconds = Math.min(options.ttlSeconds ?? ttlSecondsMax, ttlSecondsMax);
    const messageId = toHex(options.messageId ?? random.bytes(idBytes));
    const { stored } = await this.#outgoing.send({
      messageId,
      to: targets,
      relays: options.relays ?? [],
      envelope,
      priority: options.priority ?? 'normal',
      expiresMs: clock.now() + ttlSeconds * 1000,
      receiptTo: options.receipts === false ? null : this.address,
    });
    return { messageId, stored };
  }

  get #sealedMail(): SealedMail<Contact, Mark> {
    if (this.#mail === null) throw new NoSealerError();
    return this.#mail;
  }

  get #sealer(): Sealer<Contact> {
    if (this.#options.sealer === null) throw new NoSealerError();
    return this.#options.sealer;
  }

  async send(to: Contact, bytes: Uint8Array, options: SendOptions = {}): Promise<SentMessage> {
    return this.#sealedMail.send(to, bytes, options);
  }

  receive(handler: MessageHandler<ReceivedMessage<Contact>, Mark>): void {
    const mail = this.#sealedMail;
    mail.read();
    this.#deliveries.handle((message, mark) => mail.take(message, mark, handler));
  }

  async request(to: Contact, name: string, bytes: Uint8Array, options: WaitOptions = {}): Promise<Uint8Array> {
    const sealer = this.#sealer;
    const callId = newCallId(name, this.#dependencies.random);
    const envelope = await sealer.seal(to, bytes, callId);
    const answer = await this.#calls.request(sealer.addressOf(to), name, envelope, options);
    const opened = await sealer.open(answer);
    // The relay chose whose answer to pass on, and to which question.
    const isAnswer = equalBytes(opened.messageId, idInCall(callId, 'called', 0));
    if (!isAnswer || sealer.addressOf(opened.from) !== sealer.addressOf(to)) throw new NotOfThisCallError();
    return opened.bytes;
  }

  stream(to: Contact, name: string, options: { readonly relay?: string } = {}): SealedStream<Contact> {
    const sealer = this.#sealer;
    const stream = this.#calls.stream(sealer.addressOf(to), name, options.relay);
    return SealedStream.calling({ stream, sealer, name }, to, this.#dependencies.random);
  }

  serve(name: string, handler: (stream: SealedStream<Contact>) => Promise<void>): Disposable {
    const sealer = this.#sealer;
    return this.#calls.serve(name, (stream) => handler(SealedStream.called({ stream, sealer, name }, this.#callsSeen)));
  }

  onStranger(handler: StrangerHandler): void {
    this.#strangerHandler = handler;
  }

  onReceipt(handler: (receipt: SendReceipt) => void): Disposable {
    this.#receiptHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#receiptHandlers.delete(handler) };
  }

  onContinuityLost(handler: (lost: ContinuityLost) => void): Disposable {
    this.#lostHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#lostHandlers.delete(handler) };
  }

  watchPresence(addresses: readonly InboxId[], handler: PresenceHandler): Disposable {
    return this.#presence.watch(addresses, handler);
  }

  setInvisible(isInvisible: boolean): void {
    this.#presence.setInvisible(isInvisible);
  }

  get outboxCount(): number {
    return this.#outgoing.count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stack.disposed) return;
    this.#stack.dispose();
    this.#deliveries.stop();
    this.#outgoing.stop();
    for (const receiver of this.#receivers.values()) receiver.stop();
    for (const retry of this.#claimRetries.values()) retry.cancel();
    this.#calls.stop();
    this.#topics.stop();
    this.#presence.stop();
    await this.#mail?.[Symbol.asyncDispose]();
  }
}
