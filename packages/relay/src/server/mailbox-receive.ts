import { type Condition, errorCode } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import type { LinkStream } from '@pulsemesh/link';
import { concatBytes } from '@pulsemesh/wire';
import type { InboxClaim, MailboxPosition, ReadCursor, StoredMessage } from '../engine.ts';
import { type InboxId, idBytes, inboxBytes } from '../inbox-id.ts';
import { relayWireLimits } from '../wire/limits.ts';
import {
  type AckedOffsets,
  type Continuity,
  decodeReceiveCommand,
  encodeReceipt,
  encodeReceiveEvents,
  type ReadReceipt,
  type ReceiptContent,
  type ReceiveCommand,
  type Watched,
  type WatchedInbox,
} from '../wire/receive.ts';
import { claimAddress } from './claims.ts';
import type { AgentSession } from './context.ts';
import { MalformedError } from './errors.ts';
import { isRetryable } from './storing.ts';

/** One inbox that a stream reads. */
interface Reading {
  readonly inbox: InboxId;
  epoch: string;
  cursor: ReadCursor;
  readonly outstanding: Map<number, Outstanding>;
  readonly watch: Disposable;
  /** Something may have come since it was last read to its end. */
  mayHaveMore: boolean;
}

/** Delivered, not acknowledged. */
type Outstanding = Pick<StoredMessage, 'priority' | 'messageId' | 'receiptTo' | 'kind'> & { readonly bytes: number };

const windowDefaults = { messages: 256, bytes: 4 * 1024 * 1024 } as const;
/** One message on the stream: enough to share its cost, and no more than a slow carrier moves in a while. */
const deliveryBytesMax = 128 * 1024;
/** A delivery costs this in the window besides its envelope. */
const deliveryCostBytes = 128;
const receiptTtlMs = Number.MAX_SAFE_INTEGER;

/**
 * Serves `mailbox.receive`: delivers within the agent's window and the stream's credit, so that a reader that does not read costs
 * no more than one read.
 */
export class MailboxReader {
  readonly #own: AgentSession;
  readonly #stream: LinkStream;
  readonly #onOver: () => void;
  readonly #readings = new Map<InboxId, Reading>();
  #window: { messages: number; bytes: number } = { ...windowDefaults };
  #outstandingBytes = 0;
  #outstandingCount = 0;
  #isBlocked = false;
  #isPumping = false;
  #isOver = false;
  /** Commands are acted on in their order. */
  #last: Promise<void> = Promise.resolve();

  constructor(own: AgentSession, stream: LinkStream, onOver: () => void) {
    this.#own = own;
    this.#stream = stream;
    this.#onOver = onOver;
  }

  /** Called once. */
  start(): void {
    const stream = this.#stream;
    stream.onDrain(() => {
      this.#isBlocked = false;
      this.#pump();
    });
    stream.consume(
      (message) => (message === null ? this.#close() : this.#take(message)),
      () => this.stop(),
    );
  }

  /** Looks at all its inboxes: a wake-up may have got lost. */
  look(): void {
    for (const reading of this.#readings.values()) reading.mayHaveMore = true;
    this.#pump();
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { watch } of this.#readings.values()) watch[Symbol.dispose]();
    this.#readings.clear();
    this.#onOver();
  }

  #close(): void {
    this.stop();
    this.#stream.end();
  }

  #take(message: Uint8Array): void {
    let command: ReceiveCommand;
    try {
      command = decodeReceiveCommand(message);
    } catch (error) {
      this.#own.context.events.malformed('mailbox.receive');
      this.#break(new MalformedError(error));
      return;
    }
    if (command.windowMessages > 0) this.#window.messages = command.windowMessages;
    if (command.windowBytes > 0) this.#window.bytes = command.windowBytes;
    for (const ack of command.acks) this.#acknowledge(ack);
    for (const read of command.reads) this.#storeReadReceipt(read);
    for (const inbox of command.unwatch) this.#drop(inbox);
    if (command.watch.length > 0) {
      this.#last = this.#last.then(() => this.#watchAll(command.watch)).catch((error) => this.#failed(error));
    }
    this.#pump();
  }

  async #watchAll(inboxes: readonly WatchedInbox[]): Promise<void> {
    await this.#own.agent.ready;
    const watched: Watched[] = [];
    for (const inbox of inboxes) watched.push(await this.#watch(inbox));
    if (this.#isOver) return;
    this.#write(encodeReceiveEvents({ watched }));
    this.#pump();
  }

  async #watch({ inbox, epoch, offset }: WatchedInbox): Promise<Watched> {
    const { engine, events } = this.#own.context;
    const refused = (code: string): Watched => ({ inbox, code, epoch: null, continuity: 'new' });
    if (this.#readings.size >= relayWireLimits.inboxesMax) return refused('too-many');
    const claim = await this.#claimOf(inbox);
    const position = await engine.position(inbox);
    if (claim?.owner !== this.#own.agent.address || position === null || this.#isOver) return refused('not-yours');
    const continuity = continuityOf(position, epoch, offset);
    if (continuity === 'lost') events.continuityLost();
    this.#drop(inbox);
    const reading: Reading = {
      inbox,
      epoch: position.epoch,
      cursor: { urgent: 0, normal: 0 },
      outstanding: new Map(),
      mayHaveMore: true,
      watch: engine.watch(inbox, () => {
        reading.mayHaveMore = true;
        this.#pump();
      }),
    };
    this.#readings.set(inbox, reading);
    return { inbox, code: '', epoch: position.epoch, continuity };
  }

  /** The agent's own address is claimed at its login; where the engine was away then, now. */
  async #claimOf(inbox: InboxId): Promise<InboxClaim | null> {
    const { engine } = this.#own.context;
    const claim = await engine.claimOf(inbox);
    if (claim !== null || inbox !== this.#own.agent.address) return claim;
    await claimAddress(this.#own);
    return await engine.claimOf(inbox);
  }

  #drop(inbox: InboxId): void {
    const reading = this.#readings.get(inbox);
    if (reading === undefined) return;
    reading.watch[Symbol.dispose]();
    this.#readings.delete(inbox);
    for (const { bytes } of reading.outstanding.values()) this.#free(bytes);
  }

  #free(bytes: number): void {
    this.#outstandingBytes -= bytes;
    this.#outstandingCount -= 1;
  }

  /** Reads and delivers while there is something, room in the window, and room on the stream. */
  #pump(): void {
    if (this.#isPumping || this.#isOver) return;
    this.#isPumping = true;
    void this.#deliverAll()
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#isPumping = false;
        if (this.#next() !== undefined) this.#pump();
      });
  }

  #next(): Reading | undefined {
    if (this.#isOver || this.#isBlocked || this.#outstandingCount >= this.#window.messages) return undefined;
    if (this.#outstandingBytes >= this.#window.bytes) return undefined;
    for (const reading of this.#readings.values()) if (reading.mayHaveMore) return reading;
    return undefined;
  }

  async #deliverAll(): Promise<void> {
    const { engine } = this.#own.context;
    for (let reading = this.#next(); reading !== undefined; reading = this.#next()) {
      reading.mayHaveMore = false;
      const countMax = Math.min(this.#window.messages - this.#outstandingCount, relayWireLimits.itemsPerBatchMax);
      const bytesMax = Math.min(this.#window.bytes - this.#outstandingBytes, deliveryBytesMax);
      const { inbox, cursor } = reading;
      const { epoch, messages } = await engine.read({ inbox, after: cursor, countMax, bytesMax });
      if (this.#isOver) return;
      if (this.#readings.get(inbox) !== reading) continue;
      if (epoch !== reading.epoch) await this.#epochChanged(reading, epoch);
      else if (messages.length > 0) {
        // Perhaps not all there was: asked again until there is nothing.
        reading.mayHaveMore = true;
        this.#deliver(reading, messages);
        this.#turn(reading);
      }
    }
  }

  /** The next inbox is read before this one is read again. */
  #turn(reading: Reading): void {
    this.#readings.delete(reading.inbox);
    this.#readings.set(reading.inbox, reading);
  }

  #deliver(reading: Reading, messages: readonly StoredMessage[]): void {
    const { inbox } = reading;
    const cursor = { ...reading.cursor };
    for (const { offset, priority, messageId, receiptTo, kind, envelope } of messages) {
      cursor[priority] = offset;
      const bytes = envelope.length + deliveryCostBytes;
      reading.outstanding.set(offset, { priority, messageId, receiptTo, kind, bytes });
      this.#outstandingBytes += bytes;
      this.#outstandingCount += 1;
    }
    reading.cursor = cursor;
    this.#write(encodeReceiveEvents({ deliveries: messages.map((message) => ({ inbox, ...message })) }));
    this.#own.context.events.delivered(messages.length);
  }

  /** Another mailbox of the same name: perhaps another agent's. */
  async #epochChanged(reading: Reading, epoch: string | null): Promise<void> {
    const { inbox } = reading;
    const { engine, events } = this.#own.context;
    events.continuityLost();
    const claim = epoch === null ? null : await engine.claimOf(inbox);
    if (this.#isOver || this.#readings.get(inbox) !== reading) return;
    if (epoch === null || claim?.owner !== this.#own.agent.address) {
      this.#drop(inbox);
      this.#write(encodeReceiveEvents({ watched: [{ inbox, code: 'not-yours', epoch: null, continuity: 'lost' }] }));
      return;
    }
    for (const { bytes } of reading.outstanding.values()) this.#free(bytes);
    reading.outstanding.clear();
    reading.epoch = epoch;
    reading.cursor = { urgent: 0, normal: 0 };
    reading.mayHaveMore = true;
    this.#write(encodeReceiveEvents({ watched: [{ inbox, code: '', epoch, continuity: 'lost' }] }));
  }

  #write(message: Uint8Array): void {
    if (!this.#stream.write(message)) this.#isBlocked = true;
  }

  #acknowledge({ inbox, offsets }: AckedOffsets): void {
    const reading = this.#readings.get(inbox);
    if (reading === undefined) return;
    const { storing } = this.#own.context;
    const messages: { offset: number; priority: StoredMessage['priority'] }[] = [];
    for (const offset of offsets) {
      const found = reading.outstanding.get(offset);
      if (found === undefined) continue;
      reading.outstanding.delete(offset);
      this.#free(found.bytes);
      const entry = { offset, priority: found.priority };
      if (found.receiptTo === null || found.kind === 'receipt') messages.push(entry);
      else {
        // The receipt is durable before the message is gone; a crash between the two makes it again, with the same id.
        const { epoch } = reading;
        const receipt: ReceiptContent = { kind: 'delivered', inbox, messageId: found.messageId };
        this.#storeReceipt(found.receiptTo, receipt, () => storing.ack({ inbox, epoch, messages: [entry] }));
      }
    }
    if (messages.length > 0) storing.ack({ inbox, epoch: reading.epoch, messages });
  }

  #storeReadReceipt({ inbox, messageId, receiptTo }: ReadReceipt): void {
    // Only the owner of an inbox speaks for it.
    if (!this.#readings.has(inbox) || !this.#own.agent.messages.take(1)) return;
    this.#storeReceipt(receiptTo, { kind: 'read', inbox, messageId }, () => {});
  }

  /** `then` runs once it is stored, or can never be. */
  #storeReceipt(receiptTo: InboxId, receipt: ReceiptContent, then: () => void): void {
    const { storing, events } = this.#own.context;
    const envelope = encodeReceipt(receipt);
    const message = {
      inbox: receiptTo,
      messageId: sha256(concatBytes(envelope, inboxBytes(receiptTo))).subarray(0, idBytes),
      // It counts against whoever asked for it.
      sender: receiptTo,
      kind: 'receipt',
      envelope,
      priority: 'normal',
      ttlMs: receiptTtlMs,
      receiptTo: null,
    } as const;
    storing.store(message, (code) => {
      if (code === null) events.receipt(receipt.kind);
      if (code !== 'busy') then();
    });
  }

  #failed(error: unknown): void {
    if (this.#isOver) return;
    if (!isRetryable(error)) {
      this.#own.context.fail(error);
      return;
    }
    this.#own.context.events.engineTroubled(errorCode(error));
    this.#break(error as Condition); // it has `retryable`: a condition
  }

  #break(reason: Condition): void {
    this.stop();
    this.#stream.abort(reason);
  }
}

/** Whether a mailbox is the one that a reader knew: same epoch, and not set back. */
export function continuityOf(position: MailboxPosition, epoch: string | null, offset: number): Continuity {
  if (epoch === null) return 'new';
  return position.epoch === epoch && position.lastOffset >= offset ? 'kept' : 'lost';
}
