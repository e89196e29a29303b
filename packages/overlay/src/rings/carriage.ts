import type { PeerId } from '@pulsemesh/wire';
import { type EventHead, keyOfBytes } from '../events/event.ts';
import { SeenEvents } from '../events/seen-events.ts';
import type { CarryMessage, EventMessage } from '../message.ts';
import type { NodeOutput } from '../overlay-node-types.ts';
import { carryLimits } from './carry-limits.ts';
import type { Refusals } from './refusals.ts';

/** Who asked for one route, and until when (unix milliseconds). */
interface Route {
  readonly route: Uint8Array;
  readonly askers: Map<PeerId, number>;
}

/** The carrying of others' sealed events, between those who asked for a route and nobody else. */
export class Carriage {
  readonly #refusals: Refusals;
  readonly #routes = new Map<string, Route>();
  readonly #routesOfPeer = new Map<PeerId, Set<string>>();
  readonly #seen = new SeenEvents({ idsMax: carryLimits.idsMax });
  readonly #carriedBytes = new Map<PeerId, number>();
  #windowSinceMs = 0;
  #tidyAtMs = Number.POSITIVE_INFINITY;

  constructor(dependencies: { readonly refusals: Refusals }) {
    this.#refusals = dependencies.refusals;
  }

  get dueAtMs(): number {
    return this.#tidyAtMs;
  }

  /** Somebody asks us to carry, or no longer. Who is not alone with a route is told so. */
  onCarry(from: PeerId, message: CarryMessage, nowMs: number): NodeOutput[] {
    const key = keyOfBytes(message.route);
    if (message.seconds === 0) return this.#release(key, from);
    const route = this.#routes.get(key) ?? { route: message.route, askers: new Map<PeerId, number>() };
    const isNew = !route.askers.has(from);
    const routes = this.#routesOfPeer.get(from) ?? new Set();
    if (isNew && this.#isFull(route, routes)) {
      this.#refusals.count('too-many');
      return [];
    }
    route.askers.set(from, nowMs + Math.min(message.seconds, carryLimits.seconds) * 1_000);
    this.#routes.set(key, route);
    this.#routesOfPeer.set(from, routes.add(key));
    this.#tidyAtMs = Math.min(this.#tidyAtMs, nowMs + carryLimits.seconds * 1_000);
    if (route.askers.size < 2) return [];
    // The first one was alone until now; later ones were told already.
    const told = isNew && route.askers.size === 2 ? [...route.askers.keys()] : [from];
    return told.map((peer) => answer(peer, route.route, carryLimits.seconds));
  }

  /** Hands an event of a route that we do not read to the others who asked for it. */
  onEvent(from: PeerId, message: EventMessage, head: EventHead, nowMs: number): NodeOutput[] {
    const route = this.#routes.get(head.routeKey);
    // Only who asked for the route may use it: a stranger would make us send what nobody wants.
    if (route === undefined || (route.askers.get(from) ?? 0) <= nowMs) return this.#refuse('unknown-route');
    const sight = this.#seen.look(head.routeKey, head.key, head.publishedAtMs, nowMs);
    if (sight === 'seen') return [];
    if (sight !== 'new') return this.#refuse(sight);
    if (!this.#mayCarry(from, message.bytes.length, nowMs)) return this.#refuse('too-often');
    this.#seen.add(head.routeKey, head.key, head.publishedAtMs, nowMs);
    const hops = Math.min(Number.isInteger(message.hops) ? message.hops + 1 : 1, 255);
    const outputs: NodeOutput[] = [];
    for (const [peer, untilMs] of route.askers) {
      if (peer !== from && untilMs > nowMs) outputs.push({ kind: 'send', to: peer, message: { ...message, hops } });
    }
    return outputs;
  }

  /** Forgets who no longer asks. */
  wake(nowMs: number): NodeOutput[] {
    if (this.#tidyAtMs > nowMs) return [];
    this.#seen.expire(nowMs);
    const outputs: NodeOutput[] = [];
    for (const [key, { askers }] of this.#routes) {
      for (const [peer, untilMs] of askers) if (untilMs <= nowMs) outputs.push(...this.#release(key, peer));
    }
    this.#tidyAtMs = this.#routes.size === 0 ? Number.POSITIVE_INFINITY : nowMs + carryLimits.askEveryMs;
    return outputs;
  }

  /** A peer without connection is carried for no longer. */
  disconnected(peer: PeerId): NodeOutput[] {
    return [...(this.#routesOfPeer.get(peer) ?? [])].flatMap((key) => this.#release(key, peer));
  }

  #isFull(route: Route, routesOfPeer: ReadonlySet<string>): boolean {
    const { routesPerPeerMax, routesMax, askersPerRouteMax } = carryLimits;
    const isNewRoute = route.askers.size === 0;
    return (
      routesOfPeer.size >= routesPerPeerMax ||
      (isNewRoute && this.#routes.size >= routesMax) ||
      route.askers.size >= askersPerRouteMax
    );
  }

  /** Lets one asker go; one that is alone then is told. */
  #release(key: string, peer: PeerId): NodeOutput[] {
    const route = this.#routes.get(key);
    if (route?.askers.delete(peer) !== true) return [];
    const routes = this.#routesOfPeer.get(peer);
    routes?.delete(key);
    if (routes?.size === 0) this.#routesOfPeer.delete(peer);
    if (route.askers.size === 0) this.#routes.delete(key);
    const [alone, ...others] = route.askers.keys();
    return alone === undefined || others.length > 0 ? [] : [answer(alone, route.route, 0)];
  }

  #mayCarry(peer: PeerId, bytes: number, nowMs: number): boolean {
    if (nowMs - this.#windowSinceMs >= carryLimits.windowMs) {
      this.#carriedBytes.clear();
      this.#windowSinceMs = nowMs;
    }
    const carried = (this.#carriedBytes.get(peer) ?? 0) + bytes;
    if (carried > carryLimits.carriedBytesMax) return false;
    this.#carriedBytes.set(peer, carried);
    return true;
  }

  #refuse(kind: 'unknown-route' | 'too-old' | 'too-early' | 'too-often'): NodeOutput[] {
    this.#refusals.count(kind);
    return [];
  }
}

function answer(to: PeerId, route: Uint8Array, seconds: number): NodeOutput {
  return { kind: 'send', to, message: { kind: 'carry', route, seconds, isAnswer: true } };
}
