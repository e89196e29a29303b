import { type Clock, Condition, type Random, sleep } from '@pulsemesh/base';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { Post } from '../market/post.ts';

/** How a simulated post treats what it is given; all by chance, from its generator. */
export interface PostWeather {
  /** Longest time a message takes, and a sender waits, milliseconds. */
  readonly delayMs: number;
  /** Of sends that are told to have failed; half of them had been taken. */
  readonly lossRate: number;
  /** Of messages that come a second time, as another message. */
  readonly duplicateRate: number;
  /** Whether messages may overtake each other. */
  readonly isShuffled: boolean;
}

export const calmPost: PostWeather = { delayMs: 10, lossRate: 0, duplicateRate: 0, isShuffled: false };
export const roughPost: PostWeather = { delayMs: 2_000, lossRate: 0.3, duplicateRate: 0.2, isShuffled: true };

interface Letter {
  readonly id: Uint8Array;
  readonly from: PeerId;
  readonly bytes: Uint8Array;
}

const doneTable = 'post-done';
const againMs = 1_000;

/** Mailboxes in memory under a virtual clock: what was taken arrives, at least once, until its mark is committed. For tests. */
export class SimulatedMail {
  readonly #weather: PostWeather;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #boxes = new Map<PeerId, Letter[]>();
  readonly #wakes = new Map<PeerId, () => void>();

  constructor(weather: PostWeather, dependencies: { readonly clock: Clock; readonly random: Random }) {
    this.#weather = weather;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
  }

  /** One peer's post, for as long as `isAlive`; `disk` keeps what it acted upon. */
  post(self: PeerId, disk: TableStore, isAlive: () => boolean = () => true): Post<readonly TableChange[]> {
    return {
      self,
      send: (to, message) => this.#send(self, to, message.slice()),
      receive: (handler) => void this.#deliver(self, disk, isAlive, handler),
    };
  }

  async #send(from: PeerId, to: PeerId, bytes: Uint8Array): Promise<void> {
    const { delayMs, lossRate, duplicateRate } = this.#weather;
    await sleep(this.#clock, this.#random.integer(delayMs + 1));
    const isLost = this.#random.float() < lossRate;
    if (isLost && this.#random.float() < 0.5) throw new Condition('lost', 'lost on the way', { retryable: true });
    const copies = this.#random.float() < duplicateRate ? 2 : 1;
    const box = this.#boxOf(to);
    for (let copy = 0; copy < copies; copy += 1) box.push({ id: this.#random.bytes(16), from, bytes });
    this.#wakes.get(to)?.();
    if (isLost) throw new Condition('lost', 'the answer was lost', { retryable: true });
  }

  async #deliver(
    self: PeerId,
    disk: TableStore,
    isAlive: () => boolean,
    handler: Parameters<Post<readonly TableChange[]>['receive']>[0],
  ): Promise<void> {
    const box = this.#boxOf(self);
    while (isAlive()) {
      const letter = box[this.#weather.isShuffled ? this.#random.integer(Math.max(1, Math.min(4, box.length))) : 0];
      if (letter === undefined) {
        await new Promise<void>((resolve) => this.#wakes.set(self, resolve));
        continue;
      }
      await sleep(this.#clock, 1 + this.#random.integer(this.#weather.delayMs + 1));
      if (!isAlive()) return;
      if (disk.get(doneTable, letter.id) === undefined) {
        const mark: TableChange = { kind: 'put', table: doneTable, key: letter.id, value: Uint8Array.of(1) };
        // What a handler throws leaves the message where it is, to be brought again.
        const isDone = await handler(letter.from, letter.bytes, [mark]).catch(() => null);
        if (isDone !== 'marked') {
          await sleep(this.#clock, againMs);
          continue;
        }
      }
      const at = box.indexOf(letter);
      if (at >= 0) box.splice(at, 1);
    }
  }

  #boxOf(peer: PeerId): Letter[] {
    const box = this.#boxes.get(peer) ?? [];
    this.#boxes.set(peer, box);
    return box;
  }
}
