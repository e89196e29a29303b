import { assert, type Condition, raceSignal, type Timer } from '@pulsemesh/base';
import { generateX25519 } from '@pulsemesh/crypto';
import { ed25519KeyOf, equalBytes, type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import type { Carrier } from '../carrier.ts';
import {
  LinkBusyError,
  LinkRefusedError,
  ServerImpostorError,
  SessionClosedError,
  SessionLostError,
} from '../errors.ts';
import type { LinkIdentity, LinkParty } from '../session.ts';
import type { ClientSession, ClientSessionOptions, SessionDependencies } from '../session-ends.ts';
import type { Batch, Item, LoginItem } from '../wire/items.ts';
import { decodePacket, encodeHello, encodeHelloPacket, type Packet, type WelcomeCore } from '../wire/packet.ts';
import type { CarrierSlot } from './carrier-slot.ts';
import { agentStatement, checkWelcome, linkVersion } from './handshake.ts';
import { sessionConstants, sessionLimits } from './limits.ts';
import { RefusalJudge } from './refusal-judge.ts';
import { SessionCore } from './session-core.ts';
import { createSessionEvents } from './session-events.ts';

type CarrierClosedHandler = (carrier: Carrier, reason: Condition | null, wasActive: boolean) => void;

/**
 * The agent's end of a session. Give it carriers with `attach`: several at once race through the handshake, later ones are proven
 * by a ping. Dispose it, or its timers and carriers stay.
 */
export function createClientSession(options: ClientSessionOptions, dependencies: SessionDependencies): ClientSession {
  return new AgentSession(options, dependencies);
}

/** What waits for a carrier to be proven. */
interface Attachment {
  readonly result: PromiseWithResolvers<number>;
  helloSentMs: number | null;
  isHelloDue: boolean;
}

class AgentSession extends SessionCore implements ClientSession {
  readonly established: Promise<void>;
  readonly #identity: LinkIdentity;
  readonly #server: PeerId | undefined;
  readonly #ephemeralPrivate: Uint8Array;
  readonly #hello: Uint8Array;
  readonly #establishing = Promise.withResolvers<void>();
  readonly #attachments = new Map<CarrierSlot, Attachment>();
  readonly #carrierClosedHandlers = new Set<CarrierClosedHandler>();
  /** First of all items; its signature is known once the welcome came, and before that nothing is sent. */
  readonly #login: { -readonly [Key in keyof LoginItem]: LoginItem[Key] };
  readonly #certificates: Uint8Array[] = [];
  readonly #refusals: RefusalJudge;
  #welcome: WelcomeCore | null = null;
  #party: LinkParty | null = null;
  #isGuest = false;
  #graceTimer: Timer | null = null;
  #keepAliveTimer: Timer | null = null;

  constructor(options: ClientSessionOptions, dependencies: SessionDependencies) {
    const limits = { ...sessionLimits, ...options.limits };
    super({ role: 'agent', limits, events: createSessionEvents(dependencies) }, dependencies);
    this.#identity = options.identity;
    this.#refusals = new RefusalJudge({
      clock: dependencies.clock,
      ping: (slot) => {
        this.#ping(slot);
        this.conduit.flush();
      },
      believe: (slot) => this.#isUnknownOn(slot),
    });
    this.#server = options.server;
    const pair = generateX25519(dependencies.random);
    this.#ephemeralPrivate = pair.privateKey;
    const nonce = dependencies.random.bytes(32);
    this.#hello = encodeHello({ version: linkVersion, ephemeral: pair.publicKey, nonce });
    this.established = this.#establishing.promise;
    // Who does not look at `established` learns the same from `closed`.
    this.established.catch(() => {});
    this.#login = {
      kind: 'login',
      publicKey: options.identity.publicKey,
      signature: new Uint8Array(64),
      certificates: typeof options.certificates === 'function' ? options.certificates() : (options.certificates ?? []),
      invitation: options.invitation ?? new Uint8Array(0),
      software: options.software,
    };
    this.conduit.push(this.#login);
  }

  get label(): string {
    return this.#welcome === null ? '--------' : toHex(this.#welcome.session.subarray(0, 4));
  }

  get remote(): LinkParty {
    if (this.#party !== null) return this.#party;
    assert(this.#server !== undefined, 'who the server is is known once the session is established');
    const publicKey = ed25519KeyOf(this.#server) ?? new Uint8Array(0);
    return { peerId: this.#server, publicKey, certificates: [], isGuest: false };
  }

  /** True: the login was accepted, but only for methods open to guests. */
  get isGuest(): boolean {
    return this.#isGuest;
  }

  // True: the certificate on the wire is none of those the server says it serves; somebody in between opens the TLS.
  protected override isIntercepted(): boolean | null {
    const seen = this.conduit.active?.carrier.connection.certificateSha256;
    if (seen === undefined || this.#certificates.length === 0) return null;
    return !this.#certificates.some((certificate) => toHex(certificate) === seen);
  }

  attach(carrier: Carrier): Promise<number> {
    const refusal = this.#attachRefusal();
    if (refusal !== null) {
      carrier.start({ onPacket: () => {}, onWritable: () => {}, onClosed: () => {} });
      carrier.close(refusal);
      return Promise.reject(refusal);
    }
    const slot = this.conduit.addCarrier(carrier);
    const attachment = { result: Promise.withResolvers<number>(), helloSentMs: null, isHelloDue: false };
    attachment.result.promise.catch(() => {});
    this.#attachments.set(slot, attachment);
    carrier.start({
      onPacket: (packet) => this.#onPacket(slot, packet),
      onWritable: () => {
        this.#sendHello(slot);
        this.onWritable();
      },
      onLost: () => {
        this.onLost(slot);
        if (!slot.isProven) this.#greet(slot);
      },
      onClosed: (reason) => void this.carrierClosed(slot, reason),
    });
    if (!slot.isClosed) this.#greetUntilProven(slot, sessionConstants.greetMsMin);
    this.statusChanged();
    return attachment.result.promise;
  }

  #attachRefusal(): Condition | null {
    if (this.isOver) return new SessionClosedError();
    const { carriersPerSessionMax } = this.limits;
    if (this.conduit.slots.size < carriersPerSessionMax) return null;
    return new LinkBusyError('carriers of a session', carriersPerSessionMax);
  }

  /** Says hello, or pings once there is a session; again and ever more seldom until an answer came. */
  #greetUntilProven(slot: CarrierSlot, delayMs: number): void {
    this.#greet(slot);
    slot.stopRetrying();
    if (slot.isClosed || this.isOver) return;
    const { greetMsMax, dropGreetMsMax } = sessionConstants;
    const waitMs = slot.isByHand ? Math.max(delayMs, 2 * slot.expectedRttMs) : delayMs;
    const nextMs = Math.min(waitMs * 2, slot.isByHand ? dropGreetMsMax : greetMsMax);
    slot.retryTimer = this.dependencies.clock.setTimer(() => this.#greetUntilProven(slot, nextMs), waitMs);
  }

  #greet(slot: CarrierSlot): void {
    if (this.#welcome === null) {
      const attachment = this.#attachments.get(slot);
      if (attachment !== undefined) attachment.isHelloDue = true;
      this.#sendHello(slot);
    } else {
      this.#ping(slot);
    }
  }

  #sendHello(slot: CarrierSlot): void {
    const attachment = this.#attachments.get(slot);
    if (attachment === undefined || !attachment.isHelloDue || this.#welcome !== null || !slot.isWritable) return;
    attachment.isHelloDue = false;
    attachment.helloSentMs = this.dependencies.clock.monotonicMs();
    slot.carrier.send(encodeHelloPacket(this.#hello));
  }

  #ping(slot: CarrierSlot): void {
    slot.ping().catch(() => {});
    this.conduit.schedule();
  }

  #onPacket(slot: CarrierSlot, bytes: Uint8Array): void {
    if (this.isStopped) return;
    let packet: Packet;
    try {
      packet = decodePacket(bytes);
    } catch {
      this.events.packetDropped('malformed'); // not ours, or broken on the way: its items come again
      return;
    }
    switch (packet.kind) {
      case 'sealed':
        this.conduit.receive(slot, packet);
        break;
      case 'welcome':
        // Later welcomes are not answers to anything that is still open: their carriers prove themselves by a ping.
        if (this.#welcome === null && !this.isOver) this.#onWelcome(slot, packet.core, packet.signature);
        break;
      case 'refusal':
        this.#onRefusal(slot, packet.code, packet.session);
        break;
      case 'hello':
        this.events.packetDropped('out-of-place');
    }
  }

  #onWelcome(slot: CarrierSlot, coreBytes: Uint8Array, signature: Uint8Array): void {
    const attachment = this.#attachments.get(slot);
    if (attachment === undefined || attachment.helloSentMs === null) return;
    const checked = checkWelcome(coreBytes, signature, {
      hello: this.#hello,
      ephemeralPrivate: this.#ephemeralPrivate,
      server: this.#server,
    });
    if (checked instanceof ServerImpostorError) {
      const isLast = this.conduit.slots.size === 1;
      this.onUnusable(slot, checked);
      if (isLast) this.finish(checked);
      return;
    }
    const { core, transcript, toServer, toAgent } = checked;
    this.#login.signature = this.#identity.sign(agentStatement(transcript));
    this.conduit.setKeys({ session: core.session, sealing: toServer, opening: toAgent });
    this.#establish(core);
    slot.proven(this.dependencies.clock.monotonicMs() - attachment.helloSentMs);
    this.activate(slot);
    this.conduit.flush();
    this.onProven(slot);
    for (const other of this.conduit.slots)
      if (other !== slot) this.#greetUntilProven(other, sessionConstants.greetMsMin);
    this.#keepAlive();
  }

  #establish(core: WelcomeCore): void {
    this.#welcome = core;
    this.#ephemeralPrivate.fill(0);
    if (core.certificate.length > 0) this.#certificates.push(core.certificate);
    if (core.streamsMax > 0) this.streams.ownStreamsMax = core.streamsMax;
    this.#party = { peerId: peerIdOfEd25519(core.server), publicKey: core.server, certificates: [], isGuest: false };
    this.conduit.route = 1;
  }

  protected onHandshakeItem(item: Item): void {
    if (item.kind !== 'login-result') return;
    if (!item.isAccepted) {
      this.finish(new LinkRefusedError(item.code, item.code === 'quota' || item.code === 'busy'));
      return;
    }
    this.#isGuest = item.isGuest;
    this.#establishing.resolve();
    this.events.opened(this.label);
    this.statusChanged();
  }

  use(carrier: Carrier): void {
    const slot = this.slotOf(carrier);
    if (slot === undefined || this.#welcome === null || this.isOver || slot === this.conduit.active) return;
    this.#useSlot(slot);
  }

  #useSlot(slot: CarrierSlot): void {
    this.conduit.route += 1;
    this.activate(slot);
    // Until the server answered on it, it may not know that it is to send here.
    this.#greetUntilProven(slot, Math.max(sessionConstants.greetMsMin / 4, 2 * (slot.rttMs ?? 0)));
  }

  async probe(carrier: Carrier, options: { signal?: AbortSignal } = {}): Promise<number> {
    options.signal?.throwIfAborted();
    const slot = this.slotOf(carrier);
    if (slot === undefined || this.isOver) throw new SessionClosedError();
    const result = slot.ping();
    this.conduit.schedule();
    return await raceSignal(result, options.signal);
  }

  onCarrierClosed(handler: CarrierClosedHandler): void {
    this.#carrierClosedHandlers.add(handler);
  }

  onBatch(slot: CarrierSlot, batch: Batch): void {
    if (batch.certificate.length === 32 && !this.#certificates.some((known) => equalBytes(known, batch.certificate))) {
      // Renewed while the session lives.
      if (this.#certificates.length >= sessionConstants.certificatesKnownMax) this.#certificates.shift();
      this.#certificates.push(batch.certificate.slice());
      this.statusChanged();
    }
    if (slot.refusals > 0) this.#refusals.refuted(slot);
  }

  onClose(): void {
    this.finish(new SessionClosedError());
  }

  override onProven(slot: CarrierSlot): void {
    super.onProven(slot);
    this.#graceTimer?.cancel();
    this.#graceTimer = null;
    const attachment = this.#attachments.get(slot);
    this.#attachments.delete(slot);
    attachment?.result.resolve(slot.rttMs ?? 0);
    if (this.conduit.active === null && !this.isOver) this.#useSlot(slot);
  }

  protected override carrierClosed(slot: CarrierSlot, reason: Condition | null): boolean {
    const wasActive = this.conduit.active === slot;
    if (!super.carrierClosed(slot, reason)) return false;
    const attachment = this.#attachments.get(slot);
    this.#attachments.delete(slot);
    attachment?.result.reject(reason ?? new SessionClosedError());
    if (this.isOver) return true;
    for (const handler of this.#carrierClosedHandlers) handler(slot.carrier, reason, wasActive);
    // A handler may have chosen another one already.
    if (wasActive && this.conduit.active === null) this.#fallBack();
    return true;
  }

  #fallBack(): void {
    let best: CarrierSlot | null = null;
    for (const slot of this.conduit.slots) {
      if (slot.isProven && (best === null || (slot.rttMs ?? 0) < (best.rttMs ?? 0))) best = slot;
    }
    if (best !== null) {
      this.#useSlot(best);
      return;
    }
    const { clock } = this.dependencies;
    const graceMs = this.#welcome?.graceMs || this.limits.graceMs;
    this.#graceTimer ??= clock.setTimer(() => this.finish(new SessionLostError('grace-over')), graceMs);
  }

  #onRefusal(slot: CarrierSlot, code: string, session: Uint8Array): void {
    if (this.#welcome === null) {
      this.onUnusable(slot, new LinkRefusedError(code, code !== 'version' && code !== 'malformed'));
    } else if (code === 'unknown-session' && equalBytes(session, this.#welcome.session)) {
      this.#refusals.refused(slot);
    } else {
      this.events.packetDropped('out-of-place');
    }
  }

  /** The server does not know the session on this carrier: it is lost when no other proven one is left. */
  #isUnknownOn(slot: CarrierSlot): void {
    const lost = new SessionLostError('unknown-session');
    this.onUnusable(slot, lost);
    if (![...this.conduit.slots].some((other) => other.isProven)) this.finish(lost);
  }

  /** Lets the server hear something at least every `keepAliveMs`, whatever those above do. */
  #keepAlive(): void {
    const { clock } = this.dependencies;
    this.#keepAliveTimer = clock.setTimer(() => {
      const { active } = this.conduit;
      const isQuiet = clock.monotonicMs() - this.conduit.lastHeardMs >= sessionConstants.keepAliveMs / 2;
      if (active !== null && isQuiet && !active.isByHand) this.#ping(active);
      this.#keepAlive();
    }, sessionConstants.keepAliveMs / 2);
  }

  protected override sayGoodbye(): void {
    this.conduit.isClosing = true;
    this.conduit.requestBatch();
    this.conduit.flush();
    // The server answers a farewell with nothing: once it is on a carrier, all is done.
    if (this.conduit.active?.isWritable === true || this.conduit.active === null) this.stop();
  }

  protected override onWritable(): void {
    super.onWritable();
    if (this.isOver && this.conduit.isClosing) this.sayGoodbye();
  }

  protected override goodbyeCame(reason: Condition): void {
    this.conduit.isClosing = true;
    this.conduit.requestBatch();
    this.conduit.flush();
    this.finish(reason);
  }

  protected ended(reason: Condition | null): void {
    this.#graceTimer?.cancel();
    this.#keepAliveTimer?.cancel();
    this.#establishing.reject(reason ?? new SessionClosedError());
    if (this.#welcome !== null) this.events.ended(this.label, this.codeOf(reason));
  }

  protected override stopped(): void {
    for (const attachment of this.#attachments.values()) attachment.result.reject(new SessionClosedError());
    this.#attachments.clear();
  }
}
