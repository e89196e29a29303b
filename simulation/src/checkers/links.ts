import type { Observer } from '../network/node.ts';
import type { Place } from '../network/place.ts';

/** Watches that nobody who plays fair ever holds more connections than it may. */
export class LinkWatch implements Observer {
  readonly #places: readonly Place[];
  #most = 0;
  #breaches = 0;

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  linked(node: number, links: number): void {
    const place = this.#places[node];
    if (place === undefined || place.isByzantine) return;
    if (links > this.#most) this.#most = links;
    if (links > place.linksMax) this.#breaches += 1;
  }

  /** The most that any honest place held at once. */
  get most(): number {
    return this.#most;
  }

  violations(): readonly string[] {
    return this.#breaches === 0 ? [] : [`${this.#breaches} times a node held more connections than it may`];
  }
}
