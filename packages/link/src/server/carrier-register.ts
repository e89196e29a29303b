import type { Condition } from '@pulsemesh/base';
import type { Carrier } from '../carrier.ts';
import { limitKey } from './client-address.ts';
import type { LinkServerLimits } from './limits.ts';
import { type Refusal, refusals } from './refusal.ts';
import type { ServerEvents } from './server-events.ts';

/** The carriers that live on one server, and how many each client address has. */
export class CarrierRegister {
  readonly #limits: LinkServerLimits;
  readonly #events: ServerEvents;
  readonly #onCarrier: (carrier: Carrier) => void;
  readonly #keys = new Map<Carrier, string>();
  readonly #perAddress = new Map<string, number>();
  isDraining = false;

  constructor(
    limits: LinkServerLimits,
    deps: { readonly events: ServerEvents; readonly onCarrier: (carrier: Carrier) => void },
  ) {
    this.#limits = limits;
    this.#events = deps.events;
    this.#onCarrier = deps.onCarrier;
  }

  /** Why a new carrier of this address cannot be; null: it can. */
  refusalFor(address: string): Refusal | null {
    const { carriersMax, carriersPerAddressMax } = this.#limits;
    if (this.isDraining) return refusals.draining();
    if (this.#keys.size >= carriersMax) return refusals.busy('carriersMax', carriersMax);
    if ((this.#perAddress.get(limitKey(address)) ?? 0) >= carriersPerAddressMax) {
      return refusals.perAddress('carriersPerAddressMax', carriersPerAddressMax);
    }
    return null;
  }

  /** Takes in a carrier and hands it to the session server. */
  open(carrier: Carrier): void {
    const key = limitKey(carrier.connection.remoteAddress ?? '');
    this.#keys.set(carrier, key);
    this.#perAddress.set(key, (this.#perAddress.get(key) ?? 0) + 1);
    this.#events.carrierOpened(carrier.transport);
    this.#onCarrier(carrier);
  }

  /** Forgets a carrier that is over. May be called twice. */
  over(carrier: Carrier, reason: Condition | null): void {
    const key = this.#keys.get(carrier);
    if (key === undefined) return;
    this.#keys.delete(carrier);
    const left = (this.#perAddress.get(key) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(key);
    else this.#perAddress.set(key, left);
    this.#events.carrierClosed(carrier.transport, reason?.code ?? 'closed');
  }

  all(): Carrier[] {
    return [...this.#keys.keys()];
  }
}
