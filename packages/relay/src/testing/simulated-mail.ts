import { type Clock, Condition, type Random, sleep } from '@pulsemesh/base';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';

/** How simulated mailboxes treat what they are given; all by chance, from their generator. */
export interface MailWeather {
  /** Longest time a message takes, and a sender waits, milliseconds. */
  readonly delayMs: number;
  /** Of sends that are told to have failed; half of them had been taken. */
  readonly lossRate: number;
  /** Of messages that come a second time, as another message. */
  readonly duplicateRate: number;
  /** Whether messages may overtake each other. */
  readonly isShuffled: boolean;
}

export const calmMail: MailWeather = { delayMs: 20, lossRate: 0, duplicateRate: 0, isShuffled: false };
export const roughMail: MailWeather = { delayMs: 2_000, lossRate: 0.3, duplicateRate: 0.2, isShuffled: true };

/** A message as whoever watches the wires sees it: from whom to whom and how long, not what it says. */
export interface SeenMail {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** One peer's end: what it acted upon is marked in its store, in the same commit. */
export interface MailEnd {
  readonly self: PeerId;
  send(to: PeerId, message: Uint8Array): Promise<void>;
  /** One handler; what it rejects is brought again. */
  receive(handler: (from: PeerId, message: Uint8Array, mark: readonly TableChange[]) => Promise<unknown>): void;
}

interface Letter {
  readonly id: Uint8Array;
  readonly from: PeerId;
  readonly bytes: Uint8Array;
}

const doneTable = 'post-done';
const againMs = 1_000;
/** So many of the oldest may overtake each other. */
const overtakingMax = 4;

/** Mailboxes in memory under a virtual clock: what was taken arrives, late and perhaps twice, until its mark is committed. For tests. */
export class SimulatedMail {
  /** Everything that was taken, in order. */
  readonly sent: SeenMail[] = [];
  readonly #weather: MailWeather;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #boxes = new Map<PeerId, Letter[]>();
  readonly #wakes = new Map<PeerId, () => void>();

  constructor(weather: MailWeather, dependencies: { readonly clock: Clock; readonly random: Random }) {
    this.#weather = weather;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
  }

  /** One peer's end, for one life of it; `disk` keeps what it acted upon. */
  end(self: PeerId, disk: TableStore, isAlive: () => boolean = () => true): MailEnd {
    return {
      self,
      send: (to, bytes) => (isAlive() ? this.#send(self, to, bytes.slice()) : new Promise(() => {})),
      receive: (handler) => void this.#deliver(self, disk, isAlive, handler),
    };
  }

  /** Puts a message into somebody's mailbox, as a peer with a program of its own would. */
  inject(from: PeerId, to: PeerId, bytes: Uint8Array): void {
    this.sent.push({ from, to, atMs: this.#clock.now(), bytes });
    this.#boxOf(to).push({ id: this.#random.bytes(16), from, bytes });
    this.#wakes.get(to)?.();
  }

  async #send(from: PeerId, to: PeerId, bytes: Uint8Array): Promise<void> {
    const { delayMs, lossRate, duplicateRate } = this.#weather;
    await sleep(this.#clock, this.#random.integer(delayMs + 1));
    const isLost = this.#random.float() < lossRate;
    if (isLost && this.#random.float() < 0.5) throw new Condition('lost', 'lost on the way', { retryable: true });
    const copies = this.#random.float() < duplicateRate ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) this.inject(from, to, bytes);
    if (isLost) throw new Condition('lost', 'the answer was lost', { retryable: true });
  }

  async #deliver(
    self: PeerId,
    disk: TableStore,
    isAlive: () => boolean,
    handler: Parameters<MailEnd['receive']>[0],
  ): Promise<void> {
    const box = this.#boxOf(self);
    while (isAlive()) {
      const letter = box[this.#nextOf(box)];
      if (letter === undefined) {
        await new Promise<void>((resolve) => this.#wakes.set(self, resolve));
        continue;
      }
      await sleep(this.#clock, 1 + this.#random.integer(this.#weather.delayMs + 1));
      if (!isAlive()) return;
      if (disk.get(doneTable, letter.id) === undefined) {
        const mark: TableChange = { kind: 'put', table: doneTable, key: letter.id, value: Uint8Array.of(1) };
        const isDone = await handler(letter.from, letter.bytes, [mark]).then(
          () => true,
          () => false,
        );
        if (!isAlive()) return;
        if (!isDone) {
          await sleep(this.#clock, againMs);
          continue;
        }
      }
      box.splice(box.indexOf(letter), 1);
    }
  }

  #nextOf(box: readonly Letter[]): number {
    return this.#weather.isShuffled ? this.#random.integer(Math.max(1, Math.min(overtakingMax, box.length))) : 0;
  }

  #boxOf(peer: PeerId): Letter[] {
    let box = this.#boxes.get(peer);
    if (box === undefined) {
      box = [];
      this.#boxes.set(peer, box);
    }
    return box;
  }
}
