import type { Clock, Timer } from './clock.ts';

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

/**
 * A clock that stands still until told to move, for tests and simulation. Timers fire in the order of
 * their time, then of their setting.
 */
export class VirtualClock implements Clock {
  readonly #startMs: number;
  #elapsedMs = 0;
  #order = 0;
  #heap: Pending[] = [];
  /** Orders of the timers that are set and neither fired nor cancelled. */
  readonly #live = new Set<number>();

  /** `startMs`: wall time at the start, default 2026-01-01T00:00Z. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs;
  }

  now(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(action: () => void, delayMs: number): Timer {
    const pending = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order, action };
    this.#order += 1;
    this.#live.add(pending.order);
    this.#push(pending);
    return { cancel: () => void this.#live.delete(pending.order) };
  }

  /** Timers that will still fire. */
  get pendingCount(): number {
    return this.#live.size;
  }

  /** Moves the clock `byMs` ahead, firing what falls due, and lets promises settle after each timer. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + byMs;
    await settle();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      if (!this.#live.delete(next.order)) continue;
      this.#elapsedMs = next.atMs;
      next.action();
      await settle();
    }
    this.#elapsedMs = untilMs;
  }

  #push(pending: Pending): void {
    const heap = this.#heap;
    heap.push(pending);
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(heap[child] as Pending, heap[parent] as Pending)) break;
      [heap[child], heap[parent]] = [heap[parent] as Pending, heap[child] as Pending];
      child = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Pending;
    if (heap.length === 0) return;
    heap[0] = last;
    let parent = 0;
    for (;;) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && isBefore(heap[child] as Pending, heap[least] as Pending)) least = child;
      }
      if (least === parent) return;
      [heap[parent], heap[least]] = [heap[least] as Pending, heap[parent] as Pending];
      parent = least;
    }
  }
}

function isBefore(one: Pending, other: Pending): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

// Several turns of the microtask queue and one of the macrotask queue: enough for chains of awaits on
// already resolved promises, which is all that code under a virtual clock may wait for.
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
