import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import { keyOfBytes } from '../events/event.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { epochAt, epochMs, type Topic } from '../topic.ts';
import { outletLimits } from './outlets.ts';

/** Limits of who is told when a topic is left. */
export const guestLimits = {
  /** Routes of topics that guests publish to; the one published to longest ago is forgotten. */
  routesMax: 1_024,
  guestsMax: 32,
  /** Who published longer ago has forgotten us, milliseconds. */
  ageMsMax: outletLimits.idleMs,
} as const;

/**
 * Peers that hand us events of topics of ours without reading them. Members tell each other who leaves; a guest hears
 * nothing of that, and would go on sending to whom it once found.
 */
export class Guests {
  readonly #routes = new Map<string, Map<PeerId, number>>();

  /** A peer that is no member published to the topic of a route. */
  heard(routeKey: string, from: PeerId, nowMs: number): void {
    const guests = this.#routes.get(routeKey) ?? new Map<PeerId, number>();
    putLast(this.#routes, routeKey, guests, guestLimits.routesMax);
    putLast(guests, from, nowMs, guestLimits.guestsMax);
  }

  /** Tells the guests of a topic that this node leaves it. */
  farewells(topic: Topic, self: Descriptor, nowMs: number): NodeOutput[] {
    const epochs = new Set([nowMs, nowMs - epochMs.ring].map((atMs) => epochAt(atMs, epochMs.ring)));
    return [...epochs].flatMap((epoch) => {
      const route = topic.route(epoch);
      const guests = [...(this.#routes.get(keyOfBytes(route)) ?? [])];
      this.#routes.delete(keyOfBytes(route));
      return guests
        .filter(([, heardAtMs]) => nowMs - heardAtMs <= guestLimits.ageMsMax)
        .map(([to]) => ({ kind: 'send', to, message: farewell(route, self) }));
    });
  }
}

/** Nothing is proved: it concerns the sender only, whom the connection names. */
function farewell(route: Uint8Array, self: Descriptor) {
  const proof = new Uint8Array(16);
  return { kind: 'ring', route, nonce: 0, isReply: false, proof, self, descriptors: [], isLeaving: true } as const;
}

function putLast<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value as K); // full: there is a first
}
