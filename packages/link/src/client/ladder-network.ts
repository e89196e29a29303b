import type { Clock, Timer } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';
import type { Ladder } from './ladder.ts';
import type { LadderCommand } from './ladder-types.ts';

/** How one transport fares on a network, milliseconds. */
export interface Behaviour {
  /** Until data made a round trip; null: never, and never a word either. */
  readonly provenMs?: number | null;
  /** Fails after this long instead of coming up. */
  readonly failsMs?: number;
  readonly rttMs?: number;
  /** Cut this long after it was opened. */
  readonly lifetimeMs?: number;
  /** Cut when nothing was heard for this long. */
  readonly idleMs?: number;
  /** Answers nothing any more this long after it was opened, and is not cut. */
  readonly silentAfterMs?: number;
}

/** Transports that are not named do not answer. May be changed while it runs. */
export type Network = Partial<Record<TransportName, Behaviour>>;

interface Line {
  readonly attempt: number;
  readonly transport: TransportName;
  readonly openedMs: number;
  heardMs: number;
  timers: Timer[];
}

/** Plays a network to a {@link Ladder} under a clock, and takes down what the ladder does. */
export class LadderNetwork {
  network: Network;
  readonly log: { readonly atMs: number; readonly what: string }[] = [];
  readonly #ladder: Ladder;
  readonly #clock: Clock;
  readonly #lines = new Map<number, Line>();
  #timer: Timer | null = null;

  constructor(ladder: Ladder, network: Network, clock: Clock) {
    this.#ladder = ladder;
    this.network = network;
    this.#clock = clock;
  }

  start(): void {
    this.#run(this.#ladder.start(this.#clock.monotonicMs()));
  }

  pin(transport: TransportName | null): void {
    this.#run(this.#ladder.pin(transport, this.#clock.monotonicMs()));
  }

  /** The transport in use. */
  get used(): TransportName | null {
    const { active } = this.#ladder;
    return active === null ? null : (this.#lines.get(active)?.transport ?? null);
  }

  /** Carriers that stand or are being opened. */
  get lines(): number {
    return this.#lines.size;
  }

  /** When `what` first happened; undefined: it did not. */
  firstMs(what: string): number | undefined {
    return this.log.find((entry) => entry.what === what)?.atMs;
  }

  /** How often `what` happened. */
  count(what: string): number {
    return this.log.filter((entry) => entry.what === what).length;
  }

  #run(commands: readonly LadderCommand[]): void {
    for (const command of commands) this.#do(command);
    this.#timer?.cancel();
    const { nextAtMs } = this.#ladder;
    if (nextAtMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, nextAtMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(() => this.#run(this.#ladder.tick(this.#clock.monotonicMs())), delayMs);
  }

  #do(command: LadderCommand): void {
    const atMs = this.#clock.monotonicMs();
    switch (command.kind) {
      case 'open':
        this.log.push({ atMs, what: `open ${command.transport}` });
        this.#open(command.attempt, command.transport);
        return;
      case 'close':
        this.#forget(command.attempt);
        return;
      case 'probe':
        this.#probe(command.attempt);
        return;
      case 'use':
        this.log.push({ atMs, what: `use ${this.#lines.get(command.attempt)?.transport}` });
        return;
      case 'exhausted':
        this.log.push({ atMs, what: 'exhausted' });
    }
  }

  #open(attempt: number, transport: TransportName): void {
    const nowMs = this.#clock.monotonicMs();
    const line: Line = { attempt, transport, openedMs: nowMs, heardMs: nowMs, timers: [] };
    this.#lines.set(attempt, line);
    const behaviour = this.network[transport] ?? { provenMs: null };
    const { failsMs, provenMs = 10, rttMs = 5 } = behaviour;
    if (failsMs !== undefined) {
      this.#later(line, failsMs, () => {
        this.#forget(attempt);
        this.#run(this.#ladder.failed(attempt, { code: 'test', reason: 'it fails' }, this.#clock.monotonicMs()));
      });
    } else if (provenMs !== null) {
      this.#later(line, provenMs, () => {
        this.#heard(line);
        this.#run(this.#ladder.proven(attempt, rttMs, this.#clock.monotonicMs()));
      });
      if (behaviour.lifetimeMs !== undefined) this.#later(line, behaviour.lifetimeMs, () => this.#cut(line));
    }
  }

  #probe(attempt: number): void {
    const line = this.#lines.get(attempt);
    if (line === undefined) return;
    const { rttMs = 5, silentAfterMs = Number.POSITIVE_INFINITY } = this.network[line.transport] ?? {};
    this.#later(line, rttMs, () => {
      if (this.#clock.monotonicMs() - line.openedMs >= silentAfterMs) return;
      this.#heard(line);
      this.#run(this.#ladder.probed(attempt, rttMs, this.#clock.monotonicMs()));
    });
  }

  #heard(line: Line): void {
    line.heardMs = this.#clock.monotonicMs();
    const { idleMs } = this.network[line.transport] ?? {};
    if (idleMs === undefined) return;
    const heardMs = line.heardMs;
    this.#later(line, idleMs, () => {
      if (line.heardMs === heardMs) this.#cut(line);
    });
  }

  #cut(line: Line): void {
    const nowMs = this.#clock.monotonicMs();
    this.log.push({ atMs: nowMs, what: `cut ${line.transport}` });
    this.#forget(line.attempt);
    const end = { code: 'cut', reason: 'it was cut', idleMs: nowMs - line.heardMs };
    this.#run(this.#ladder.closed(line.attempt, end, nowMs));
  }

  #later(line: Line, delayMs: number, action: () => void): void {
    line.timers.push(
      this.#clock.setTimer(() => {
        if (this.#lines.get(line.attempt) === line) action();
      }, delayMs),
    );
  }

  #forget(attempt: number): void {
    for (const timer of this.#lines.get(attempt)?.timers ?? []) timer.cancel();
    this.#lines.delete(attempt);
  }
}
