import type { LinkSession, LinkStream } from '@pulsemesh/link';
import type { InboxId } from '../inbox-id.ts';
import {
  type Delivery,
  decodeReceiveEvents,
  encodeReceiveCommand,
  type ReadReceipt,
  type Watched,
  type WatchedInbox,
} from '../wire/receive.ts';
import type { RelayClientEvents } from './events.ts';
import type { RelayClientLimits } from './limits.ts';
import { Retry } from './retry.ts';
import type { ClientDependencies, InboxPosition } from './types.ts';

/** What came from a relay, and how to say that it is done with. */
export interface Arrival {
  readonly relay: string;
  readonly delivery: Delivery;
  /** Its effect is durable: the relay may forget it. Does nothing once the stream is over. */
  done(): void;
  sendRead(read: ReadReceipt): void;
}

export interface ReceiverEvents {
  onArrival(arrival: Arrival): void;
  onLost(inbox: InboxId): void;
  onPosition(position: InboxPosition): void;
  /** The stream broke: what came by it and is not begun comes again on the next. */
  onBroken(): void;
}

/** Positions are only for noticing a loss: this many acknowledgements may be missing from the saved one. */
const positionEvery = 64;

interface Known {
  epoch: string;
  offset: number;
  savedOffset: number;
}

/** Reads mailboxes at one relay, on one session after the other. */
export class RelayReceiver {
  readonly #relay: string;
  readonly #limits: RelayClientLimits;
  readonly #metrics: RelayClientEvents;
  readonly #events: ReceiverEvents;
  readonly #retry: Retry;
  readonly #known = new Map<InboxId, Known>();
  readonly #inboxes = new Set<InboxId>();
  #session: LinkSession | null = null;
  #stream: LinkStream | null = null;
  #acks = new Map<InboxId, number[]>();
  #reads: ReadReceipt[] = [];
  /** Delivered on this stream and not done. */
  #underWay = { count: 0, bytes: 0 };
  #isAsked = false;

  constructor(
    relay: string,
    limits: RelayClientLimits,
    metrics: RelayClientEvents,
    events: ReceiverEvents,
    dependencies: ClientDependencies,
  ) {
    this.#relay = relay;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#events = events;
    this.#retry = new Retry(limits.retryMsMin, limits.retryMsMax, dependencies);
  }

  /** As saved by an earlier run. */
  remember({ inbox, epoch, offset }: InboxPosition): void {
    this.#known.set(inbox, { epoch, offset, savedOffset: offset });
  }

  /** Reads these as well, on this session and all later ones; the agent must own them. */
  watch(inboxes: readonly InboxId[]): void {
    const added = inboxes.filter((inbox) => !this.#inboxes.has(inbox));
    for (const inbox of added) this.#inboxes.add(inbox);
    if (this.#stream !== null && added.length > 0) this.#writeWatch(this.#stream, added);
    else if (this.#session !== null) this.#open();
  }

  useSession(session: LinkSession | null): void {
    this.#session = session;
    this.#forgetStream();
    this.#retry.cancel();
    this.#open();
  }

  stop(): void {
    this.#session = null;
    this.#retry.cancel();
    this.#flush();
    this.#stream?.end();
    this.#forgetStream();
    for (const [inbox, known] of this.#known) this.#savePosition(inbox, known);
  }

  #forgetStream(): void {
    this.#stream = null;
    this.#acks = new Map();
    this.#reads = [];
    this.#underWay = { count: 0, bytes: 0 };
  }

  #open(): void {
    if (this.#session === null || this.#stream !== null || this.#inboxes.size === 0) return;
    let stream: LinkStream;
    try {
      stream = this.#session.open('mailbox.receive');
    } catch {
      this.#retry.later(() => this.#open());
      return;
    }
    this.#stream = stream;
    this.#writeWatch(stream, [...this.#inboxes]);
    stream.consume(
      (message) => {
        if (this.#stream !== stream) return;
        if (message === null) this.#again('ended');
        else this.#take(stream, message);
      },
      (reason) => {
        if (this.#stream === stream) this.#again(reason.code);
      },
    );
  }

  #writeWatch(stream: LinkStream, inboxes: readonly InboxId[]): void {
    const watch = inboxes.map((inbox): WatchedInbox => {
      const known = this.#known.get(inbox);
      return { inbox, epoch: known?.epoch ?? null, offset: known?.offset ?? 0 };
    });
    const { windowMessages, windowBytes } = this.#limits;
    stream.write(encodeReceiveCommand({ watch, windowMessages, windowBytes }));
  }

  #again(code: string): void {
    this.#metrics.streamBroke(this.#relay, 'mailbox.receive', code);
    this.#forgetStream();
    this.#events.onBroken();
    this.#retry.later(() => this.#open());
  }

  #take(stream: LinkStream, message: Uint8Array): void {
    try {
      const { watched, deliveries } = decodeReceiveEvents(message);
      for (const each of watched) this.#takeWatched(each);
      for (const delivery of deliveries) {
        if (!this.#isInWindow(delivery)) {
          stream.end();
          this.#again('window-passed');
          return;
        }
        this.#arrived(stream, delivery);
      }
      this.#retry.wentWell();
    } catch {
      stream.end();
      this.#again('malformed');
    }
  }

  /** Keeps the relay to the window, also one that means no good: what it gives waits in memory here. */
  #isInWindow({ envelope }: Delivery): boolean {
    const { windowMessages, windowBytes } = this.#limits;
    if (this.#underWay.count >= windowMessages || this.#underWay.bytes >= windowBytes) return false;
    this.#underWay.count += 1;
    this.#underWay.bytes += envelope.length;
    return true;
  }

  #arrived(stream: LinkStream, delivery: Delivery): void {
    this.#events.onArrival({
      relay: this.#relay,
      delivery,
      done: () => {
        if (this.#stream !== stream) return;
        this.#underWay.count -= 1;
        this.#underWay.bytes -= delivery.envelope.length;
        this.#acknowledge(delivery);
      },
      sendRead: (read) => {
        if (this.#stream !== stream) return;
        this.#reads.push(read);
        this.#ask();
      },
    });
  }

  #takeWatched({ inbox, code, epoch, continuity }: Watched): void {
    if (code !== '') {
      this.#metrics.claimRefused(this.#relay, code);
      return;
    }
    if (continuity === 'lost') this.#events.onLost(inbox);
    const known = this.#known.get(inbox);
    if (epoch === null || known?.epoch === epoch) return;
    const fresh = { epoch, offset: 0, savedOffset: -1 };
    this.#known.set(inbox, fresh);
    this.#savePosition(inbox, fresh);
  }

  #acknowledge({ inbox, offset }: Delivery): void {
    const offsets = this.#acks.get(inbox);
    if (offsets === undefined) this.#acks.set(inbox, [offset]);
    else offsets.push(offset);
    const known = this.#known.get(inbox);
    if (known !== undefined && offset > known.offset) {
      known.offset = offset;
      if (offset - known.savedOffset >= positionEvery) this.#savePosition(inbox, known);
    }
    this.#ask();
  }

  #savePosition(inbox: InboxId, known: Known): void {
    if (known.savedOffset === known.offset) return;
    known.savedOffset = known.offset;
    this.#events.onPosition({ relay: this.#relay, inbox, epoch: known.epoch, offset: known.offset });
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#stream === null || this.#acks.size + this.#reads.length === 0) return;
    const acks = [...this.#acks].map(([inbox, offsets]) => ({ inbox, offsets }));
    const reads = this.#reads;
    this.#acks = new Map();
    this.#reads = [];
    try {
      this.#stream.write(encodeReceiveCommand({ acks, reads }));
    } catch {
      // The stream is over: what is not acknowledged comes again.
    }
  }
}
