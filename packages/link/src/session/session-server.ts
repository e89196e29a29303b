import { type Condition, sleep, startTicker, type Ticker, type Timer } from '@pulsemesh/base';
import { generateX25519, sha256, x25519 } from '@pulsemesh/crypto';
import { equalBytes, type PeerId, toHex } from '@pulsemesh/wire';
import type { Carrier } from '../carrier.ts';
import { LinkBusyError, LinkRemoteError, SessionLostError } from '../errors.ts';
import type { LinkSession } from '../session.ts';
import type {
  Admission,
  LoginClaim,
  SessionDependencies,
  SessionLimits,
  SessionServer,
  SessionServerOptions,
} from '../session-ends.ts';
import {
  decodePacket,
  encodeRefusalPacket,
  encodeWelcomeCore,
  encodeWelcomePacket,
  type Hello,
  type Packet,
} from '../wire/packet.ts';
import type { CarrierSlot } from './carrier-slot.ts';
import { deriveCiphers, linkVersion, serverStatement, transcriptOf } from './handshake.ts';
import { sessionConstants, sessionLimits } from './limits.ts';
import { ServerSession, type ServerSessionOwner } from './server-session.ts';
import { createSessionEvents, type SessionEvents } from './session-events.ts';

/**
 * The server's end of all its sessions: takes carriers of any transport, makes sessions of them. Dispose it: sessions are told that the server
 * closes.
 */
export function createSessionServer(options: SessionServerOptions, dependencies: SessionDependencies): SessionServer {
  return new Sessions(options, dependencies);
}

const none = new Uint8Array(0);
const drainSliceMs = 100;

class Sessions implements SessionServer, ServerSessionOwner {
  readonly #options: SessionServerOptions;
  readonly #limits: SessionLimits;
  readonly #dependencies: SessionDependencies;
  readonly #events: SessionEvents;
  readonly #sessions = new Map<string, ServerSession>();
  readonly #byHello = new Map<string, ServerSession>();
  readonly #loose = new Set<LooseCarrier>();
  readonly #handlers: ((session: LinkSession) => void)[] = [];
  readonly #silence: Ticker;
  /** Oldest first. */
  readonly #pending = new Set<ServerSession>();
  #isClosing = false;

  constructor(options: SessionServerOptions, dependencies: SessionDependencies) {
    this.#options = options;
    this.#limits = { ...sessionLimits, ...options.limits };
    this.#dependencies = dependencies;
    this.#events = createSessionEvents(dependencies);
    const { clock } = dependencies;
    this.#silence = startTicker(
      clock,
      sessionConstants.silentMs / 6,
      () => {
        for (const session of [...this.#sessions.values()]) session.closeIfSilent(clock.monotonicMs());
      },
      () => {},
    );
  }

  accept(carrier: Carrier): void {
    const looseMax = this.#limits.pendingMax * 2;
    if (this.#loose.size >= looseMax) {
      carrier.start({ onPacket: () => {}, onWritable: () => {}, onClosed: () => {} });
      carrier.close(new LinkBusyError('carriers without a session', looseMax));
      return;
    }
    const loose = new LooseCarrier(carrier, this, this.#events);
    this.#loose.add(loose);
    loose.start(this.#dependencies.clock.setTimer(() => loose.expire(), this.#pendingMsOf(carrier)));
  }

  #pendingMsOf(carrier: Carrier): number {
    return carrier.transport === 'drop' ? sessionConstants.dropSilentMs : this.#limits.pendingMs;
  }

  /** The carrier belongs to a session now, or is closed. */
  settled(loose: LooseCarrier): void {
    this.#loose.delete(loose);
  }

  onSession(handler: (session: LinkSession) => void): void {
    this.#handlers.push(handler);
  }

  sessions(): readonly LinkSession[] {
    return [...this.#sessions.values()].filter((session) => session.isOpen);
  }

  sessionOf(session: Uint8Array): ServerSession | undefined {
    return this.#sessions.get(toHex(session));
  }

  /** The packet that answers a hello: the welcome of its session, new or not, or a refusal. */
  answerHello(bytes: Uint8Array, hello: Hello, carrier: Carrier): Uint8Array {
    const helloHash = toHex(sha256(bytes));
    const known = this.#byHello.get(helloHash);
    if (known !== undefined) return known.welcomePacket;
    if (hello.version !== linkVersion)
      return encodeRefusalPacket('version', `this server speaks version ${linkVersion}`);
    if (this.#isClosing) return encodeRefusalPacket('closing', 'this server is closing');
    if (this.#sessions.size >= this.#limits.sessionsMax || !this.#hasRoomForPending())
      return encodeRefusalPacket('busy', 'this server has as many sessions as it takes');
    return this.#begin(bytes, hello, helloHash, this.#pendingMsOf(carrier));
  }

  /**
   * Hellos cost nobody anything, so a full table must not keep out those who mean it: the oldest makes room. Who logs in does so
   * within a round trip, and has to be overtaken by `pendingMax` others in that time to begin anew.
   */
  #hasRoomForPending(): boolean {
    if (this.#pending.size < this.#limits.pendingMax) return true;
    for (const session of this.#pending) if (session.giveWay()) return true;
    return false;
  }

  #begin(helloBytes: Uint8Array, hello: Hello, helloHash: string, pendingMs: number): Uint8Array {
    const { random, clock } = this.#dependencies;
    const { identity } = this.#options;
    const pair = generateX25519(random);
    let secret: Uint8Array;
    try {
      secret = x25519(pair.privateKey, hello.ephemeral);
    } catch {
      return encodeRefusalPacket('malformed', 'the ephemeral key is of small order');
    }
    const session = random.bytes(16);
    const certificate = this.#options.certificateSha256() ?? none;
    const core = encodeWelcomeCore({
      version: linkVersion,
      session,
      ephemeral: pair.publicKey,
      server: identity.publicKey,
      timeMs: Math.max(0, Math.floor(clock.now())),
      certificate,
      packetBytesMax: this.#limits.packetBytesMax,
      streamsMax: this.#limits.streamsMax,
      graceMs: this.#limits.graceMs,
    });
    const transcript = transcriptOf(helloBytes, core);
    const { toServer, toAgent } = deriveCiphers(secret, transcript);
    const welcomePacket = encodeWelcomePacket(core, identity.sign(serverStatement(helloBytes, core)));
    const keys = { session, sealing: toAgent, opening: toServer };
    const start = {
      pendingMs,
      limits: this.#limits,
      events: this.#events,
      keys,
      transcript,
      helloHash,
      welcomePacket,
      certificate,
    };
    const begun = new ServerSession(start, this, this.#dependencies);
    this.#sessions.set(begun.key, begun);
    this.#byHello.set(helloHash, begun);
    this.#pending.add(begun);
    return welcomePacket;
  }

  admit(claim: LoginClaim): Admission | Promise<Admission> {
    return this.#options.admit?.(claim) ?? { kind: 'admitted' };
  }

  opened(session: ServerSession): void {
    this.#pending.delete(session);
    for (const handler of this.#handlers) handler(session);
  }

  gone(session: ServerSession): void {
    if (!this.#sessions.delete(session.key)) return;
    this.#byHello.delete(session.helloHash);
    this.#pending.delete(session);
  }

  certificateNotice(welcomed: Uint8Array): Uint8Array {
    const served = this.#options.certificateSha256() ?? none;
    return equalBytes(served, welcomed) ? none : served;
  }

  endSessionsOf(peer: PeerId, reason: Condition): number {
    const ending = [...this.#sessions.values()].filter((session) => session.isOpen && session.remote.peerId === peer);
    for (const session of ending) session.end(reason);
    return ending.length;
  }

  async drain(withinMs: number): Promise<void> {
    this.#isClosing = true;
    const { clock, random } = this.#dependencies;
    const leaving = random.shuffle([...this.#sessions.values()]);
    const slices = Math.max(1, Math.floor(withinMs / drainSliceMs));
    const sliceSize = Math.ceil(leaving.length / slices);
    while (leaving.length > 0) {
      for (const session of leaving.splice(0, sliceSize)) session.end(new LinkRemoteError('draining', '', true));
      if (leaving.length > 0) await sleep(clock, drainSliceMs);
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#isClosing = true;
    this.#silence.stop();
    await Promise.all([...this.#sessions.values()].map((session) => session[Symbol.asyncDispose]()));
    for (const loose of [...this.#loose]) loose.expire();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }
}

/** A carrier that does not belong to a session yet, and afterwards the way from it to its session. */
class LooseCarrier {
  readonly #carrier: Carrier;
  readonly #server: Sessions;
  readonly #events: SessionEvents;
  #timer: Timer | null = null;
  #session: ServerSession | null = null;
  #slot: CarrierSlot | null = null;
  /** The one hello this carrier may say, as often as it likes. */
  #hello: Uint8Array | null = null;
  /** An answer in clear that could not be sent yet; a newer one takes its place. */
  #answer: Uint8Array | null = null;

  constructor(carrier: Carrier, server: Sessions, events: SessionEvents) {
    this.#carrier = carrier;
    this.#server = server;
    this.#events = events;
  }

  start(timer: Timer): void {
    this.#timer = timer;
    this.#carrier.start({
      onPacket: (packet) => this.#onPacket(packet),
      onWritable: () => {
        this.#sendAnswer();
        this.#session?.carrierWritable();
      },
      onLost: () => {
        if (this.#slot !== null) this.#session?.carrierLost(this.#slot);
      },
      onClosed: (reason) => this.#onClosed(reason),
    });
  }

  expire(): void {
    if (this.#slot === null) this.#carrier.close(new SessionLostError('silent'));
    this.#settle();
  }

  #onPacket(bytes: Uint8Array): void {
    let packet: Packet;
    try {
      packet = decodePacket(bytes);
    } catch {
      this.#events.packetDropped('malformed');
      if (this.#slot === null) this.#reply(encodeRefusalPacket('malformed', 'this is not a packet of the link'));
      return;
    }
    if (packet.kind === 'sealed') {
      if (this.#session !== null && this.#slot !== null) this.#session.packetCame(this.#slot, packet);
      else this.#bind(packet);
    } else if (packet.kind === 'hello' && this.#slot === null) {
      this.#greeted(packet.bytes, packet.hello);
    } else {
      this.#events.packetDropped('out-of-place');
    }
  }

  #greeted(bytes: Uint8Array, hello: Hello): void {
    this.#hello ??= bytes;
    if (equalBytes(this.#hello, bytes)) this.#reply(this.#server.answerHello(bytes, hello, this.#carrier));
    else this.#reply(encodeRefusalPacket('malformed', 'a carrier is for one session: this is another hello'));
  }

  #bind(packet: Extract<Packet, { kind: 'sealed' }>): void {
    const session = this.#server.sessionOf(packet.session);
    if (session === undefined) {
      const code = 'unknown-session';
      this.#reply(encodeRefusalPacket(code, 'this server does not know the session (any more)', packet.session));
      return;
    }
    // Set first: the session may answer, or close the carrier, while it takes the packet.
    this.#session = session;
    this.#slot = session.adopt(this.#carrier, packet);
    if (this.#slot === null) this.#session = null;
    else this.#settle();
  }

  #reply(packet: Uint8Array): void {
    this.#answer = packet;
    this.#sendAnswer();
  }

  #sendAnswer(): void {
    if (this.#answer === null || !this.#carrier.isWritable) return;
    const packet = this.#answer;
    this.#answer = null;
    this.#carrier.send(packet);
  }

  #onClosed(reason: Condition | null): void {
    const slot = this.#slot;
    if (slot !== null) this.#session?.carrierGone(slot, reason);
    this.#settle();
  }

  #settle(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#server.settled(this);
  }
}
