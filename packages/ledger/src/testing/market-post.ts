import { type Clock, Condition, type Random, sleep } from '@pulsemesh/base';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { Post } from '../market/post.ts';

/** How a simulated post treats what is given to it. */
export interface PostWeather {
  /** Longest time on the way, milliseconds; each message takes a random part of it. */
  readonly delayMs: number;
  /** Of sends that fail, by chance, before the message was taken or after: the sender tries again. */
  readonly lossRate: number;
  /** Of messages that arrive a second time under another id. */
  readonly duplicateRate: number;
}

export const calmWeather: PostWeather = { delayMs: 20, lossRate: 0, duplicateRate: 0 };

/** A message as whoever watches the wires sees it: from whom to whom and how long, not what it says. */
export interface SeenMessage {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

interface Letter {
  readonly id: Uint8Array;
  readonly from: PeerId;
  readonly bytes: Uint8Array;
}

type Handler = (from: PeerId, bytes: Uint8Array, mark: readonly TableChange[]) => Promise<'marked'>;

const doneTable = 'post-done';

/** A post in memory, under a virtual clock: late and twice, but nothing that was taken is lost. For tests. */
export class MarketPost {
  readonly sent: SeenMessage[] = [];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #weather: PostWeather;
  readonly #boxes = new Map<PeerId, Letter[]>();
  readonly #wakes = new Map<PeerId, () => void>();

  constructor(weather: PostWeather, dependencies: { readonly clock: Clock; readonly random: Random }) {
    this.#weather = weather;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
  }

  /** The post of one agent for one life of it; `store` keeps what was delivered. Ends when `isAlive` does. */
  endpoint(self: PeerId, store: TableStore, isAlive: () => boolean): Post<readonly TableChange[]> {
    return {
      self,
      send: (to, bytes) => (isAlive() ? this.#send(self, to, bytes.slice()) : new Promise(() => {})),
      receive: (handler) => void this.#deliver(self, store, isAlive, handler),
    };
  }

  /** Puts a message into somebody's mailbox, as a peer that is no office would. */
  async inject(from: PeerId, to: PeerId, bytes: Uint8Array): Promise<void> {
    this.#put(from, to, bytes);
  }

  async #send(from: PeerId, to: PeerId, bytes: Uint8Array): Promise<void> {
    const { delayMs, lossRate, duplicateRate } = this.#weather;
    await sleep(this.#clock, this.#random.integer(delayMs + 1));
    const isLost = this.#random.float() < lossRate;
    if (isLost && this.#random.float() < 0.5) throw new Condition('lost', 'lost on the way', { retryable: true });
    const copies = this.#random.float() < duplicateRate ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) this.#put(from, to, bytes);
    if (isLost) throw new Condition('lost', 'the answer was lost', { retryable: true });
  }

  #put(from: PeerId, to: PeerId, bytes: Uint8Array): void {
    this.sent.push({ from, to, atMs: this.#clock.now(), bytes });
    this.#boxOf(to).push({ id: this.#random.bytes(16), from, bytes });
    this.#wakes.get(to)?.();
  }

  async #deliver(self: PeerId, store: TableStore, isAlive: () => boolean, handler: Handler): Promise<void> {
    const box = this.#boxOf(self);
    while (isAlive()) {
      const letter = box[0];
      if (letter === undefined) {
        await new Promise<void>((resolve) => this.#wakes.set(self, resolve));
        continue;
      }
      await sleep(this.#clock, 1 + this.#random.integer(this.#weather.delayMs + 1));
      if (!isAlive()) return;
      if (store.get(doneTable, letter.id) === undefined) {
        const mark: TableChange = { kind: 'put', table: doneTable, key: letter.id, value: Uint8Array.of(1) };
        const isDone = await handler(letter.from, letter.bytes, [mark]).catch(() => null);
        if (!isAlive()) return;
        if (isDone !== 'marked') continue;
      }
      box.splice(box.indexOf(letter), 1);
    }
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
