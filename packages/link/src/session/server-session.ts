import { type Condition, errorForLog, type Timer } from '@pulsemesh/base';
import { verifySignature } from '@pulsemesh/crypto';
import { type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import type { Carrier } from '../carrier.ts';
import { LinkBusyError, LinkRefusedError, SessionClosedError, SessionLostError } from '../errors.ts';
import type { LinkParty } from '../session.ts';
import type { Admission, LoginClaim, SessionDependencies, SessionLimits } from '../session-ends.ts';
import type { Batch, Item, LoginItem } from '../wire/items.ts';
import type { Packet } from '../wire/packet.ts';
import type { CarrierSlot } from './carrier-slot.ts';
import type { SessionKeys } from './conduit-handler.ts';
import { agentStatement } from './handshake.ts';
import { sessionConstants } from './limits.ts';
import { SessionCore } from './session-core.ts';
import type { SessionEvents } from './session-events.ts';

/** What a server's session tells the server it belongs to. */
export interface ServerSessionOwner {
  admit(claim: LoginClaim): Admission | Promise<Admission>;
  /** The login was accepted; called before anything that came after it is acted upon. */
  opened(session: ServerSession): void;
  /** Nothing of the session is left. */
  gone(session: ServerSession): void;
  /** What a pong says of the certificate served now; empty: still that of the welcome. */
  certificateNotice(welcomed: Uint8Array): Uint8Array;
}

/** What the handshake made. */
export interface ServerSessionStart {
  readonly limits: SessionLimits;
  readonly events: SessionEvents;
  readonly keys: SessionKeys;
  readonly transcript: Uint8Array;
  readonly helloHash: string;
  readonly welcomePacket: Uint8Array;
  /** How long the login may take. */
  readonly pendingMs: number;
  /** SHA-256 of the certificate that the welcome named; empty: plaintext. */
  readonly certificate: Uint8Array;
}

const nobody: LinkParty = {
  peerId: '' as PeerId, // of a session that is shown to nobody yet
  publicKey: new Uint8Array(32),
  certificates: [],
  isGuest: true,
};

/** The server's end of one session. */
export class ServerSession extends SessionCore {
  readonly label: string;
  readonly key: string;
  readonly helloHash: string;
  readonly welcomePacket: Uint8Array;
  readonly #owner: ServerSessionOwner;
  readonly #transcript: Uint8Array;
  #party: LinkParty = nobody;
  #phase: 'pending' | 'judging' | 'admitted' = 'pending';
  #routeSeen = 0;
  #pendingTimer: Timer | null = null;
  #graceTimer: Timer | null = null;

  constructor(start: ServerSessionStart, owner: ServerSessionOwner, dependencies: SessionDependencies) {
    super({ role: 'server', limits: start.limits, events: start.events }, dependencies);
    this.#owner = owner;
    this.#transcript = start.transcript;
    this.helloHash = start.helloHash;
    this.welcomePacket = start.welcomePacket;
    this.key = toHex(start.keys.session);
    this.label = this.key.slice(0, 8);
    this.conduit.setKeys(start.keys);
    this.conduit.earlyBytesMax = Math.min(sessionConstants.pendingEarlyBytesMax, start.limits.earlyBytesMax);
    this.conduit.certificateNotice = () => owner.certificateNotice(start.certificate);
    this.#pendingTimer = dependencies.clock.setTimer(() => {
      if (this.#phase !== 'admitted') this.finish(new SessionLostError('silent'));
    }, start.pendingMs);
  }

  get remote(): LinkParty {
    return this.#party;
  }

  /** True once the login was accepted and until the session ends. */
  get isOpen(): boolean {
    return this.#phase === 'admitted' && !this.isOver;
  }

  /** Makes room for another hello, unless its login came already: then false. */
  giveWay(): boolean {
    if (this.#phase !== 'pending' || this.isOver) return false;
    this.finish(new SessionLostError('silent'));
    return true;
  }

  /** Takes over the carrier when the packet it brought is an authentic new one of this session: that is what binds it. */
  adopt(carrier: Carrier, packet: Extract<Packet, { kind: 'sealed' }>): CarrierSlot | null {
    const batch = this.conduit.open(packet);
    if (batch === null) return null;
    if (this.conduit.slots.size >= this.limits.carriersPerSessionMax) this.#closeOldest();
    const slot = this.conduit.addCarrier(carrier);
    this.#graceTimer?.cancel();
    this.#graceTimer = null;
    this.conduit.accept(slot, batch);
    this.statusChanged();
    return slot;
  }

  #closeOldest(): void {
    for (const slot of this.conduit.slots) {
      if (slot === this.conduit.active) continue;
      this.onUnusable(slot, new LinkBusyError('carriers of a session', this.limits.carriersPerSessionMax));
      return;
    }
  }

  packetCame(slot: CarrierSlot, packet: Extract<Packet, { kind: 'sealed' }>): void {
    this.conduit.receive(slot, packet);
  }

  carrierWritable(): void {
    this.onWritable();
  }

  carrierLost(slot: CarrierSlot): void {
    this.onLost(slot);
  }

  carrierGone(slot: CarrierSlot, reason: Condition | null): void {
    this.carrierClosed(slot, reason);
  }

  /** Closes the carriers of a session that was not heard for too long: the other end of them is probably gone. */
  closeIfSilent(nowMs: number): void {
    const silentMs = nowMs - this.conduit.lastHeardMs;
    for (const slot of [...this.conduit.slots]) {
      const allowedMs = slot.isByHand ? sessionConstants.dropSilentMs : sessionConstants.silentMs;
      if (silentMs > allowedMs) this.onUnusable(slot, new SessionLostError('silent'));
    }
  }

  // Packets are counted once, so the greatest route, and of one route the latest packet to come, says where the agent is.
  onBatch(slot: CarrierSlot, batch: Batch): void {
    if (batch.route === 0 || batch.route < this.#routeSeen) return;
    const isNew = batch.route > this.#routeSeen;
    this.#routeSeen = batch.route;
    if (slot === this.conduit.active) {
      if (isNew) this.conduit.sendAgain();
      return;
    }
    this.activate(slot);
    slot.ping().catch(() => {}); // its round trip is what the resend timer goes by
  }

  onClose(): void {
    if (this.isOver) this.stop();
    else this.finish(new SessionClosedError());
  }

  protected onHandshakeItem(item: Item): void {
    if (item.kind !== 'login' || this.#phase !== 'pending') return;
    this.#phase = 'judging';
    this.conduit.pauseItems();
    if (!verifySignature(item.publicKey, agentStatement(this.#transcript), item.signature)) {
      this.#refuse('bad-signature', 'the login is not signed by the key it shows');
      return;
    }
    void this.#judge(item);
  }

  override onItem(item: Item): void {
    // Before the login nothing else counts; the first item is the login or the session is not one.
    if (this.#phase === 'pending' && item.kind !== 'login' && item.kind !== 'goodbye') {
      this.finish(new LinkRefusedError('no-login', false));
      return;
    }
    super.onItem(item);
  }

  async #judge(item: LoginItem): Promise<void> {
    const claim: LoginClaim = {
      peerId: peerIdOfEd25519(item.publicKey),
      publicKey: item.publicKey.slice(),
      certificates: item.certificates,
      invitation: item.invitation.length === 0 ? null : item.invitation,
      software: item.software,
    };
    let admission: Admission;
    try {
      const verdict = this.#owner.admit(claim);
      admission = verdict instanceof Promise ? await verdict : verdict;
    } catch (error) {
      this.events.handlerFailed(errorForLog(error));
      admission = { kind: 'refused', code: 'busy', text: 'the login could not be judged' };
    }
    if (this.isOver) return;
    if (admission.kind === 'refused') return this.#refuse(admission.code, admission.text);
    const isGuest = admission.kind === 'guest';
    this.#party = { peerId: claim.peerId, publicKey: claim.publicKey, certificates: claim.certificates, isGuest };
    this.#phase = 'admitted';
    this.#pendingTimer?.cancel();
    this.conduit.push({ kind: 'login-result', isAccepted: true, code: '', text: '', isGuest });
    this.events.opened(this.label);
    this.#owner.opened(this);
    if (this.conduit.slots.size === 0) this.#waitForCarrier();
    this.conduit.resumeItems();
    this.conduit.earlyBytesMax = this.limits.earlyBytesMax;
    this.statusChanged();
  }

  #refuse(code: string, text: string): void {
    this.events.loginRefused(code);
    this.conduit.push({ kind: 'login-result', isAccepted: false, code, text, isGuest: false });
    const reason = new LinkRefusedError(code, false);
    this.farewell(reason, reason);
  }

  protected override carrierClosed(slot: CarrierSlot, reason: Condition | null): boolean {
    if (!super.carrierClosed(slot, reason)) return false;
    if (this.conduit.slots.size === 0 && this.isOpen) this.#waitForCarrier();
    return true;
  }

  #waitForCarrier(): void {
    const { clock } = this.dependencies;
    this.#graceTimer ??= clock.setTimer(() => this.finish(new SessionLostError('grace-over')), this.limits.graceMs);
  }

  protected ended(reason: Condition | null): void {
    this.#graceTimer?.cancel();
    this.#pendingTimer?.cancel();
    if (this.#phase === 'admitted') this.events.ended(this.label, this.codeOf(reason));
  }

  protected override stopped(): void {
    this.#owner.gone(this);
  }
}
