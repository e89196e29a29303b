import type { Random } from '@pulsemesh/base';
import type { Message, NodeOutput } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import type { SimulatedNode } from '../network/node.ts';
import { Puppet } from './puppet.ts';

/** Messages it keeps to say again. */
const keptMax = 256;

/**
 * Takes part honestly and says again, later and to others, what it once was told: events, answers to questions nobody
 * asked it, proofs meant for somebody else.
 */
export class Replayer extends Puppet {
  readonly #everyMs: number;
  readonly #random: Random;
  readonly #kept: Message[] = [];
  readonly #peers: PeerId[] = [];
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(inner: SimulatedNode, options: { readonly everyMs: number }, random: Random) {
    super(inner);
    this.#everyMs = options.everyMs;
    this.#random = random;
  }

  override get dueAtMs(): number {
    return Math.min(this.inner.dueAtMs, this.#dueMs);
  }

  override receive(from: PeerId, message: Message, nowMs: number): readonly NodeOutput[] {
    if (this.#dueMs === Number.POSITIVE_INFINITY) this.#dueMs = nowMs + this.#everyMs;
    keep(this.#kept, message, this.#random);
    keep(this.#peers, from, this.#random);
    return super.receive(from, message, nowMs);
  }

  override wake(nowMs: number): readonly NodeOutput[] {
    const honest = this.inner.dueAtMs <= nowMs ? this.inner.wake(nowMs) : [];
    if (nowMs < this.#dueMs) return honest;
    this.#dueMs = nowMs + this.#everyMs;
    const message = this.#kept[this.#random.integer(this.#kept.length)] as Message; // it was told something: it has a time
    const to = this.#peers[this.#random.integer(this.#peers.length)] as PeerId; // and by somebody
    return [...honest, { kind: 'send', to, message }, { kind: 'send', to, message }];
  }
}

/** Keeps a sample of what comes. */
function keep<T>(kept: T[], item: T, random: Random): void {
  if (kept.length < keptMax) kept.push(item);
  else kept[random.integer(keptMax)] = item;
}
