import type { Clock } from '@pulsemesh/base';
import { limitKey } from './client-address.ts';
import type { LinkServerLimits } from './limits.ts';
import type { ConnectionRefusal } from './server-events.ts';

/** Addresses remembered; past it those without a connection are forgotten. */
export const addressesMax = 65_536;

interface AddressState {
  connections: number;
  tokens: number;
  atMs: number;
}

/** Decides on each new TCP connection, before anything is spent on it: how many there are, and how fast they come. */
export class ConnectionGuard {
  readonly #limits: LinkServerLimits;
  readonly #clock: Clock;
  readonly #perAddress = new Map<string, AddressState>();
  readonly #all: AddressState;

  constructor(limits: LinkServerLimits, deps: { readonly clock: Clock }) {
    this.#limits = limits;
    this.#clock = deps.clock;
    this.#all = { connections: 0, tokens: limits.connectionsBurst, atMs: deps.clock.monotonicMs() };
  }

  /** Counts a connection in, or says why it is refused. `isExempt`: a trusted proxy, many people's. */
  enter(address: string, isExempt: boolean): ConnectionRefusal | null {
    const limits = this.#limits;
    const own = isExempt ? null : this.#stateOf(limitKey(address));
    if (this.#all.connections >= limits.connectionsMax) return 'full';
    if (own !== null && own.connections >= limits.connectionsPerAddressMax) return 'address';
    if (own !== null && !this.#spend(own, limits.connectionsPerAddressPerSecond, limits.connectionsPerAddressBurst)) {
      return 'rate';
    }
    if (!this.#spend(this.#all, limits.connectionsPerSecond, limits.connectionsBurst)) return 'rate';
    this.#all.connections += 1;
    if (own !== null) own.connections += 1;
    return null;
  }

  /** Counts out a connection that was let in. */
  leave(address: string, isExempt: boolean): void {
    this.#all.connections -= 1;
    const own = isExempt ? undefined : this.#perAddress.get(limitKey(address));
    if (own !== undefined) own.connections -= 1;
  }

  /** Addresses remembered now. */
  get addresses(): number {
    return this.#perAddress.size;
  }

  /** A token bucket: `perSecond` on average, `burst` at once. */
  #spend(state: AddressState, perSecond: number, burst: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    state.tokens = Math.min(burst, state.tokens + ((nowMs - state.atMs) / 1000) * perSecond);
    state.atMs = nowMs;
    if (state.tokens < 1) return false;
    state.tokens -= 1;
    return true;
  }

  #stateOf(key: string): AddressState {
    const known = this.#perAddress.get(key);
    if (known !== undefined) return known;
    if (this.#perAddress.size >= addressesMax) this.#forgetIdle();
    const state = { connections: 0, tokens: this.#limits.connectionsPerAddressBurst, atMs: this.#clock.monotonicMs() };
    this.#perAddress.set(key, state);
    return state;
  }

  /** Open connections are limited, so that most addresses of a full table have none. */
  #forgetIdle(): void {
    for (const [key, state] of this.#perAddress) if (state.connections === 0) this.#perAddress.delete(key);
  }
}
