import { Condition, errorForLog, type Timer, type WaitOptions } from '@pulsemesh/base';
import type { Carrier } from '../carrier.ts';
import { CarrierClosedError, LinkRemoteError, SessionClosedError } from '../errors.ts';
import type { LinkParty, LinkSession, LinkStream, ServeOptions, SessionStatus } from '../session.ts';
import type { SessionDependencies, SessionLimits } from '../session-ends.ts';
import type { Batch, Item } from '../wire/items.ts';
import { wireLimits } from '../wire/limits.ts';
import type { CarrierSlot } from './carrier-slot.ts';
import { Conduit } from './conduit.ts';
import type { ConduitHandler } from './conduit-handler.ts';
import { type Defer, deferToEndOfTurn } from './defer.ts';
import { sessionConstants } from './limits.ts';
import type { SessionEvents } from './session-events.ts';
import { StreamTable } from './stream-table.ts';

/** What both ends' sessions are made of. */
export interface SessionCoreOptions {
  readonly role: 'agent' | 'server';
  readonly limits: SessionLimits;
  readonly events: SessionEvents;
}

const methodPattern = /^[a-z0-9._/-]{1,64}$/;

/**
 * {@link LinkSession} less the handshake, which differs between the ends: streams above a conduit, status, the ways in which
 * a session ends.
 */
export abstract class SessionCore implements LinkSession, ConduitHandler {
  abstract readonly label: string;
  abstract readonly remote: LinkParty;
  readonly closed: Promise<Condition | null>;
  protected readonly conduit: Conduit;
  protected readonly streams: StreamTable;
  protected readonly limits: SessionLimits;
  protected readonly dependencies: SessionDependencies;
  protected readonly events: SessionEvents;
  protected readonly defer: Defer;
  /** Over for its users; a goodbye may still be on its way. */
  protected isOver = false;
  protected migrations = 0;
  readonly #closing = Promise.withResolvers<Condition | null>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #statusHandlers = new Set<(status: SessionStatus) => void>();
  #isStatusDue = false;
  #lingerTimer: Timer | null = null;
  #isStopped = false;
  #hadActive = false;

  constructor(options: SessionCoreOptions, dependencies: SessionDependencies) {
    const { limits, events } = options;
    this.limits = limits;
    this.events = events;
    this.dependencies = dependencies;
    this.defer = dependencies.defer ?? deferToEndOfTurn;
    this.closed = this.#closing.promise;
    this.conduit = new Conduit(limits, this, { clock: dependencies.clock, events, defer: this.defer });
    this.streams = new StreamTable({ ...limits, role: options.role, events, remote: () => this.remote }, this.conduit);
  }

  get status(): SessionStatus {
    const { active } = this.conduit;
    const isUp = active?.isProven ?? false;
    return {
      state: this.isOver ? 'closed' : isUp ? 'up' : 'connecting',
      transport: active?.carrier.transport ?? null,
      rttMs: active?.rttMs ?? null,
      carriers: [...this.conduit.slots].map((slot) => slot.status(slot === active)),
      migrations: this.migrations,
      unackedBytes: this.conduit.unackedBytes,
      isIntercepted: this.isIntercepted(),
    };
  }

  protected isIntercepted(): boolean | null {
    return null;
  }

  onStatus(handler: (status: SessionStatus) => void): Disposable {
    this.#statusHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#statusHandlers.delete(handler) };
  }

  /** Calls the status handlers at the end of this turn, once for all changes in it. */
  protected statusChanged(): void {
    if (this.#isStatusDue || this.#statusHandlers.size === 0) return;
    this.#isStatusDue = true;
    this.defer(() => {
      this.#isStatusDue = false;
      const { status } = this;
      for (const handler of this.#statusHandlers) handler(status);
    });
  }

  open(method: string): LinkStream {
    if (this.isOver) throw new SessionClosedError();
    if (!methodPattern.test(method)) throw new LinkRemoteError('unknown-method', '', false);
    return this.streams.open(method);
  }

  serve(method: string, handler: (stream: LinkStream) => Promise<void> | void, options: ServeOptions = {}): Disposable {
    if (this.isOver) throw new SessionClosedError();
    return this.streams.serve(method, handler, options);
  }

  async request(method: string, message: Uint8Array, options: WaitOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    const stream = this.open(method);
    try {
      stream.write(message);
      stream.end();
      const answer = await stream.receive(options);
      if (answer === null) throw new LinkRemoteError('no-answer', '', false);
      // What comes after the one answer is not waited for; a stream that ended by itself takes no note of this.
      stream.abort(new LinkRemoteError('answered', '', false));
      return answer;
    } catch (error) {
      stream.abort(error instanceof Condition ? error : new LinkRemoteError('cancelled', '', true));
      throw error;
    }
  }

  end(reason: Condition): void {
    this.farewell(reason, reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.farewell(null, new LinkRemoteError('closing', '', true));
    await this.#stopped.promise;
  }

  /** Over for its users at once; the other end is told, if it can be within `lingerMs`. */
  protected farewell(reason: Condition | null, told: Condition): void {
    if (this.isOver) return;
    this.#over(reason);
    if (!this.conduit.hasKeys || this.conduit.active === null) {
      this.stop();
      return;
    }
    this.conduit.push({
      kind: 'goodbye',
      code: told.code.slice(0, wireLimits.codeBytesMax),
      text: told.message.slice(0, wireLimits.textBytesMax / 3),
      isRetryable: told.retryable,
    });
    if (this.#isStopped) return;
    this.#lingerTimer = this.dependencies.clock.setTimer(() => this.stop(), sessionConstants.lingerMs);
    this.sayGoodbye();
  }

  /** Puts the goodbye on its way; the agent's also says that no answer is waited for. */
  protected sayGoodbye(): void {
    this.conduit.flush();
  }

  /** Ends without telling: the other end is gone, ended it itself, or knows nothing of it. */
  protected finish(reason: Condition | null): void {
    this.#over(reason);
    this.stop();
  }

  #over(reason: Condition | null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.conduit.stopReceiving();
    this.streams.close(new SessionClosedError(reason ?? undefined));
    this.ended(reason);
    this.#closing.resolve(reason);
    this.statusChanged();
  }

  /** Ends all that is left: carriers and timers. */
  protected stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#lingerTimer?.cancel();
    this.conduit.stop();
    for (const slot of [...this.conduit.slots]) {
      this.conduit.removeCarrier(slot, new CarrierClosedError());
      slot.carrier.close(null);
    }
    this.stopped();
    this.#stopped.resolve();
  }

  /** The session is over for its users. */
  protected abstract ended(reason: Condition | null): void;
  /** Nothing of it is left. */
  protected stopped(): void {}

  protected get isStopped(): boolean {
    return this.#isStopped;
  }

  onItem(item: Item): void {
    if (this.isOver) return;
    switch (item.kind) {
      case 'goodbye':
        this.goodbyeCame(new LinkRemoteError(item.code, item.text, item.isRetryable));
        break;
      case 'login':
      case 'login-result':
      case 'unknown':
        this.onHandshakeItem(item);
        break;
      default:
        this.streams.take(item);
    }
  }

  protected abstract onHandshakeItem(item: Item): void;

  protected goodbyeCame(reason: Condition): void {
    this.finish(reason);
  }

  onRoom(): void {
    if (!this.isOver) this.streams.onRoom();
  }

  abstract onClose(): void;

  abstract onBatch(slot: CarrierSlot, batch: Batch): void;

  onProven(_slot: CarrierSlot): void {
    this.statusChanged();
  }

  onAllAcknowledged(): void {
    if (this.isOver) this.stop();
  }

  onBroken(reason: Condition): void {
    if (this.isOver) this.stop();
    else this.farewell(reason, reason);
  }

  onUnusable(slot: CarrierSlot, reason: Condition): void {
    slot.carrier.close(reason);
    this.carrierClosed(slot, reason);
  }

  /** Sends on this carrier from now on. */
  protected activate(slot: CarrierSlot): void {
    if (this.#hadActive) {
      this.migrations += 1;
      this.events.migrated(slot.carrier.transport);
    }
    this.#hadActive = true;
    this.conduit.activate(slot);
    this.statusChanged();
  }

  /** The handler of a carrier that belongs to this session. */
  protected onWritable(): void {
    this.conduit.refreshLimits();
    this.conduit.flush();
  }

  protected onLost(slot: CarrierSlot): void {
    if (slot === this.conduit.active) this.conduit.sendAgain();
  }

  /** A carrier is over; may be called twice for one. */
  protected carrierClosed(slot: CarrierSlot, reason: Condition | null): boolean {
    if (!this.conduit.slots.has(slot)) return false;
    this.conduit.removeCarrier(slot, new CarrierClosedError(reason ?? undefined));
    this.statusChanged();
    if (this.isOver && this.conduit.slots.size === 0) this.stop();
    return true;
  }

  /** For logs: never the text of somebody else. */
  protected codeOf(reason: Condition | null): string {
    return reason === null ? 'closed' : reason instanceof LinkRemoteError ? 'remote' : errorForLog(reason).code;
  }

  /** What is held now, for tests that bound it. */
  diagnostics(): { readonly unackedBytes: number; readonly earlyBytes: number; readonly streams: number } {
    return {
      unackedBytes: this.conduit.unackedBytes,
      earlyBytes: this.conduit.earlyBytes,
      streams: this.streams.size,
    };
  }

  /** Whose carrier it is, among this session's. */
  protected slotOf(carrier: Carrier): CarrierSlot | undefined {
    for (const slot of this.conduit.slots) if (slot.carrier === carrier) return slot;
    return undefined;
  }
}
