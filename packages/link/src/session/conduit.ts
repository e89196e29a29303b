import { type Clock, type Condition, errorMessage, type Timer } from '@pulsemesh/base';
import { packetTagBytes } from '@pulsemesh/crypto';
import type { Carrier } from '../carrier.ts';
import { CarrierTooSmallError, ProtocolViolationError } from '../errors.ts';
import { freeIfJoined } from '../packet-memory.ts';
import { decodeBatch } from '../wire/decode-batch.ts';
import { batchHeadBytesMax, emptyHead, encodeBatch } from '../wire/encode-batch.ts';
import type { Batch, Item } from '../wire/items.ts';
import { sealedOverheadBytes, wireLimits } from '../wire/limits.ts';
import { createSealedPacket, type Packet } from '../wire/packet.ts';
import { CarrierSlot } from './carrier-slot.ts';
import type { ConduitDependencies, ConduitHandler, ConduitOptions, SessionKeys } from './conduit-handler.ts';
import { Inbox } from './inbox.ts';
import { sessionConstants } from './limits.ts';
import { Outbox, type OutboxRange } from './outbox.ts';
import { ReplayWindow } from './replay-window.ts';
import { ResendTimer } from './resend-timer.ts';
import type { SessionEvents } from './session-events.ts';

/** What a Data takes besides its payload, at most. */
const dataOverheadBytes = 24;
/** Smaller carriers are not used. */
const dataBytesMin = 512;

/**
 * Items in order over packets that get lost: the part of a session that both ends share. Seals, numbers, acknowledges, sends
 * again; knows carriers, not streams. Sends on the active carrier only, but answers pings wherever they come.
 */
export class Conduit {
  readonly slots = new Set<CarrierSlot>();
  readonly #options: ConduitOptions;
  readonly #handler: ConduitHandler;
  readonly #clock: Clock;
  readonly #events: SessionEvents;
  readonly #defer: (action: () => void) => void;
  readonly #outbox = new Outbox();
  readonly #inbox: Inbox;
  readonly #replay = new ReplayWindow();
  readonly #additional = new Uint8Array(24);
  readonly #additionalView = new DataView(this.#additional.buffer);
  #keys: SessionKeys | null = null;
  #active: CarrierSlot | null = null;
  #dataBytesMax: number = wireLimits.dataBytesMax;
  #packetNumber = 0;
  #isFlushDeferred = false;
  #isStopped = false;
  #wasFull = false;
  /** True while a batch must go out on the active carrier though there is no item. */
  #isBatchDue = false;
  /** Something was received since the last batch. */
  #isAckOwed = false;
  /** It is not to wait for a batch any longer: where each batch is a request, one for every chance would be most of the cost. */
  #isAckDue = false;
  #unacknowledgedBytes = 0;
  #ackTimer: Timer | null = null;
  #hintedFor = 0;
  #hasDropped = false;
  #isHintDue = false;
  readonly #resending: ResendTimer;
  #hasRewoundForHint = false;
  /** Written into batches on the active carrier: the agent's choice of carrier, its farewell. */
  route = 0;
  isClosing = false;
  /** What the server adds to its pongs; empty: nothing. */
  certificateNotice: () => Uint8Array = () => emptyHead.certificate;
  lastHeardMs: number;

  constructor(options: ConduitOptions, handler: ConduitHandler, dependencies: ConduitDependencies) {
    this.#options = options;
    this.#handler = handler;
    this.#clock = dependencies.clock;
    this.#events = dependencies.events;
    this.#defer = dependencies.defer;
    this.#inbox = new Inbox(options.earlyBytesMax, (item) => this.#handler.onItem(item));
    this.lastHeardMs = dependencies.clock.monotonicMs();
    this.#resending = new ResendTimer({
      clock: dependencies.clock,
      rttMs: () => this.#active?.expectedRttMs ?? null,
      hasOutstanding: () => this.#outbox.hasOutstanding,
      sendAgain: () => this.sendAgain(),
    });
  }

  get active(): CarrierSlot | null {
    return this.#active;
  }

  get hasKeys(): boolean {
    return this.#keys !== null;
  }

  get unackedBytes(): number {
    return this.#outbox.bytes;
  }

  get earlyBytes(): number {
    return this.#inbox.earlyBytes;
  }

  /** False: who has a choice waits for `onRoom`. */
  get hasRoom(): boolean {
    if (this.#outbox.bytes < this.#options.unackedBytesMax) return true;
    this.#wasFull = true;
    return false;
  }

  get isAllAcknowledged(): boolean {
    return this.#outbox.isEmpty;
  }

  setKeys(keys: SessionKeys): void {
    this.#keys = keys;
    this.#additional.set(keys.session);
  }

  /** The longest payload of a Data now, such that each attached carrier can move it. */
  get dataBytesMax(): number {
    return this.#dataBytesMax;
  }

  /** A carrier came or went, or can move more or less than before. */
  refreshLimits(): void {
    let bytes: number = wireLimits.dataBytesMax;
    for (const { carrier } of this.slots) {
      bytes = Math.min(bytes, carrier.packetBytesMax - sealedOverheadBytes - batchHeadBytesMax - dataOverheadBytes);
    }
    this.#dataBytesMax = Math.max(bytes, dataBytesMin);
  }

  addCarrier(carrier: Carrier): CarrierSlot {
    const slot = new CarrierSlot(carrier, this.#clock);
    this.slots.add(slot);
    this.refreshLimits();
    return slot;
  }

  /** Forgets a carrier that was closed. */
  removeCarrier(slot: CarrierSlot, reason: Condition): void {
    this.slots.delete(slot);
    this.refreshLimits();
    if (this.#active === slot) this.#active = null;
    slot.closed(reason);
  }

  /** Sends on this carrier from now on, first all that is not acknowledged. */
  activate(slot: CarrierSlot): void {
    this.#active = slot;
    this.#isBatchDue = true;
    this.sendAgain();
  }

  /** What was sent and not acknowledged may be lost: sends it again. */
  sendAgain(): void {
    const again = this.#outbox.rewind();
    if (again > 0) this.#events.itemsSentAgain(again);
    this.schedule();
  }

  /** Takes an item; it is encoded when the turn of the event loop ends. */
  push(item: Item): void {
    if (this.#isStopped) return;
    this.#outbox.push(item);
    if (this.#outbox.bytes > this.#options.unackedBytesMax + sessionConstants.controlBytesMax) {
      this.#handler.onBroken(new ProtocolViolationError('nothing is acknowledged'));
      return;
    }
    if (!this.#isFlushDeferred) this.schedule();
  }

  pauseItems(): void {
    this.#inbox.pause();
  }

  resumeItems(): void {
    this.#inbox.resume();
  }

  /** How much may wait from now on; what was dropped for want of room is asked for at once. */
  set earlyBytesMax(bytes: number) {
    this.#inbox.earlyBytesMax = bytes;
    if (!this.#hasDropped) return;
    this.#hasDropped = false;
    this.#isHintDue = true;
    this.#isAckDue = true;
    this.schedule();
  }

  /** A ping is due on this carrier, or a batch on the active one. */
  requestBatch(): void {
    this.#isBatchDue = true;
    this.schedule();
  }

  schedule(): void {
    if (this.#isFlushDeferred || this.#isStopped || this.#keys === null) return;
    this.#isFlushDeferred = true;
    this.#defer(() => {
      this.#isFlushDeferred = false;
      this.flush();
    });
  }

  /** Puts on the carriers what is due and fits; normally called once for each turn of the event loop. */
  flush(): void {
    if (this.#isStopped || this.#keys === null) return;
    for (const slot of this.slots) {
      if (slot !== this.#active && slot.hasDue && slot.isWritable) this.#send(slot, null);
    }
    const slot = this.#active;
    if (slot === null) return;
    while (slot === this.#active && slot.isWritable && this.#hasDue(slot)) {
      const range = this.#takeItems(slot);
      if (range === null && this.#outbox.hasUnsent && this.#isTooSmall(slot)) {
        this.#handler.onUnusable(slot, new CarrierTooSmallError(slot.carrier.packetBytesMax));
        return;
      }
      this.#send(slot, range);
    }
  }

  #hasDue(slot: CarrierSlot): boolean {
    return this.#outbox.hasUnsent || this.#isBatchDue || this.#isAckDue || slot.hasDue;
  }

  #isTooSmall(slot: CarrierSlot): boolean {
    return this.#outbox.nextBytesMax > slot.carrier.packetBytesMax - sealedOverheadBytes - batchHeadBytesMax;
  }

  #takeItems(slot: CarrierSlot): OutboxRange | null {
    const packetBytes = Math.min(slot.carrier.packetBytesMax, wireLimits.packetBytesMax);
    const bytesMax = packetBytes - sealedOverheadBytes - batchHeadBytesMax;
    const wished = Math.max(sessionConstants.batchBytesMax, this.#outbox.nextBytesMax);
    const wasOutstanding = this.#outbox.hasOutstanding;
    const range = this.#outbox.take(Math.min(bytesMax, wished), wireLimits.itemsPerBatchMax);
    if (range !== null) this.#resending.sent(!wasOutstanding);
    return range;
  }

  #send(slot: CarrierSlot, range: OutboxRange | null): void {
    const keys = this.#keys;
    if (keys === null) return;
    const isActive = slot === this.#active;
    const pong = slot.takePong();
    const head = {
      ack: this.#inbox.received,
      route: isActive ? this.route : 0,
      resend: isActive && this.#isHintDue,
      first: range === null ? 0 : range.first,
      ping: slot.takePing(),
      pong,
      close: isActive && this.isClosing && !this.#outbox.hasUnsent,
      certificate: pong === 0 ? emptyHead.certificate : this.certificateNotice(),
    };
    const batch = range === null ? encodeBatch(head, [], 0, 0) : encodeBatch(head, range.items, range.from, range.to);
    if (isActive) {
      this.#isBatchDue = false;
      this.#isHintDue = false;
      this.#isAckOwed = false;
      this.#isAckDue = false;
      this.#unacknowledgedBytes = 0;
    }
    this.#packetNumber += 1;
    const number = this.#packetNumber;
    const { packet, boxAt } = createSealedPacket(keys.session, number, batch.length + packetTagBytes);
    keys.sealing.sealInto(packet, boxAt, number, this.#additionalOf(number), batch);
    slot.carrier.send(packet);
  }

  #additionalOf(number: number): Uint8Array {
    this.#additionalView.setUint32(16, Math.floor(number / 2 ** 32));
    this.#additionalView.setUint32(20, number >>> 0);
    return this.#additional;
  }

  /** True when the packet is authentic and new: only then did it have an effect. */
  receive(slot: CarrierSlot, packet: Extract<Packet, { kind: 'sealed' }>): boolean {
    const batchBytes = this.open(packet);
    if (batchBytes === null) return false;
    this.accept(slot, batchBytes);
    return true;
  }

  /** The batch in a packet of this session that comes for the first time, else null. */
  open(packet: Extract<Packet, { kind: 'sealed' }>): Uint8Array | null {
    const keys = this.#keys;
    if (keys === null || this.#isStopped) return this.#drop('no-session-yet');
    for (let index = 0; index < 16; index += 1) {
      if (packet.session[index] !== keys.session[index]) return this.#drop('other-session');
    }
    if (!this.#replay.isFresh(packet.number)) return this.#drop('replayed');
    const bytes = keys.opening.open(packet.number, this.#additionalOf(packet.number), packet.box);
    if (bytes === null) return this.#drop('does-not-open');
    this.#replay.mark(packet.number);
    freeIfJoined(packet.box);
    return bytes;
  }

  #drop(reason: 'no-session-yet' | 'other-session' | 'replayed' | 'does-not-open'): null {
    this.#events.packetDropped(reason);
    return null;
  }

  /** Acts on a batch that `open` gave. */
  accept(slot: CarrierSlot, batchBytes: Uint8Array): void {
    let batch: Batch;
    try {
      batch = decodeBatch(batchBytes);
    } catch (error) {
      this.#handler.onBroken(new ProtocolViolationError(errorMessage(error)));
      return;
    }
    this.lastHeardMs = this.#clock.monotonicMs();
    if (batch.ping !== 0) slot.pongDue = batch.ping;
    if (batch.pong !== 0 && slot.takeAnswer(batch.pong)) this.#handler.onProven(slot);
    this.#handler.onBatch(slot, batch);
    if (!this.#acceptAck(batch) || this.#isStopped) return;
    if (batch.items.length > 0) this.#acceptItems(batch, batchBytes.length);
    if (batch.close) this.#handler.onClose();
    if (slot.hasDue) this.schedule();
  }

  #acceptAck(batch: Batch): boolean {
    if (batch.ack > 0 && !this.#outbox.isAcknowledged(batch.ack)) {
      if (!this.#outbox.acknowledge(batch.ack)) {
        this.#handler.onBroken(new ProtocolViolationError('an acknowledgement of what was not sent'));
        return false;
      }
      this.#resending.progressed(this.lastHeardMs);
      this.#hasRewoundForHint = false;
      if (this.#wasFull && this.#outbox.bytes <= this.#options.unackedBytesMax / 2) {
        this.#wasFull = false;
        this.#handler.onRoom();
      }
      if (this.#outbox.isEmpty) this.#handler.onAllAcknowledged();
    }
    // One hint moves the cursor back once; if that did not help either, the resend timer goes on, ever more slowly.
    if (batch.resend && !this.#hasRewoundForHint) {
      this.#hasRewoundForHint = true;
      this.sendAgain();
    }
    return true;
  }

  #acceptItems(batch: Batch, bytes: number): void {
    const dropped = this.#inbox.take(batch.first, batch.items);
    if (dropped > 0) {
      this.#hasDropped = true;
      this.#events.itemsDropped(dropped);
    }
    this.#isAckOwed = true;
    this.#unacknowledgedBytes += bytes;
    if (this.#isStopped) return;
    if (this.#unacknowledgedBytes >= sessionConstants.ackBytes) {
      this.#isAckDue = true;
      this.schedule();
    } else this.#ackTimer ??= this.#clock.setTimer(() => this.#ackIsDue(), sessionConstants.ackMs);
  }

  #ackIsDue(): void {
    this.#ackTimer = null;
    if (this.#isStopped) return;
    // A gap that outlived the wait is a loss, not two carriers overtaking each other: say so, once.
    const missing = this.#inbox.received + 1;
    if (this.#inbox.hasGap && this.#hintedFor !== missing) {
      this.#hintedFor = missing;
      this.#isHintDue = true;
      this.#isAckOwed = true;
    }
    this.#isAckDue = this.#isAckOwed;
    if (this.#isAckDue) this.flush();
  }

  /** Delivers nothing more; what is due, a goodbye, can still be sent. */
  stopReceiving(): void {
    this.#inbox.stop();
  }

  /** Ends all timers and forgets all that waits. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#inbox.stop();
    this.#outbox.clear();
    this.#ackTimer?.cancel();
    this.#resending.stop();
  }
}
