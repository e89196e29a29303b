import { type Clock, Condition, type Random, sleep } from '@pulsemesh/base';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { Post } from '../party/party.ts';

/** How a simulated post treats what is given to it. */
export interface PostWeather {
  /** Longest time on the way, milliseconds; each message takes a random part of it. */
  readonly delayMs: number;
  /** Of sends that fail after the message was taken or before, by chance; the sender tries again. */
  readonly lossRate: number;
  /** Of messages that arrive a second time under another id. */
  readonly duplicateRate: number;
}

export const calmWeather: PostWeather = { delayMs: 20, lossRate: 0, duplicateRate: 0 };

interface Letter {
  readonly id: Uint8Array;
  readonly from: PeerId;
  readonly bytes: Uint8Array;
}

type Handler = (from: PeerId, bytes: Uint8Array, mark: readonly TableChange[]) => Promise<unknown>;

const doneTable = 'post-done';

/** A post in memory, under a virtual clock: late, out of order, twice, but nothing that was taken is lost. For tests. */
export class SimulatedPost {
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
      send: (to, bytes) => this.#send(self, to, bytes.slice()),
      receive: (handler) => void this.#deliver(self, store, isAlive, handler),
    };
  }

  async #send(from: PeerId, to: PeerId, bytes: Uint8Array): Promise<void> {
    const { delayMs, lossRate, duplicateRate } = this.#weather;
    await sleep(this.#clock, this.#random.integer(delayMs + 1));
    const isLost = this.#random.float() < lossRate;
    if (isLost && this.#random.float() < 0.5) throw new Condition('lost', 'lost on the way', { retryable: true });
    const copies = this.#random.float() < duplicateRate ? 2 : 1;
    const box = this.#boxes.get(to) ?? [];
    this.#boxes.set(to, box);
    for (let copy = 0; copy < copies; copy += 1) box.push({ id: this.#random.bytes(16), from, bytes });
    this.#wakes.get(to)?.();
    if (isLost) throw new Condition('lost', 'the answer was lost', { retryable: true });
  }

  async #deliver(self: PeerId, store: TableStore, isAlive: () => boolean, handler: Handler): Promise<void> {
    const box = this.#boxes.get(self) ?? [];
    this.#boxes.set(self, box);
    while (isAlive()) {
      const letter = box[this.#random.integer(Math.max(1, Math.min(4, box.length)))];
      if (letter === undefined) {
        await new Promise<void>((resolve) => this.#wakes.set(self, resolve));
        continue;
      }
      await sleep(this.#clock, this.#random.integer(this.#weather.delayMs + 1));
      if (!isAlive()) return;
      if (store.get(doneTable, letter.id) === undefined) {
        const mark: TableChange = { kind: 'put', table: doneTable, key: letter.id, value: Uint8Array.of(1) };
        const isDone = await handler(letter.from, letter.bytes, [mark]).catch(() => null);
        if (isDone !== 'marked') continue;
      }
      box.splice(box.indexOf(letter), 1);
    }
  }
}
