import type { Counter, Meter } from '@pulsemesh/base';
import type { OverlayNode } from '../node/overlay-node.ts';

/** What the service counts, beside what the node itself does. */
export interface ServiceCounters {
  readonly published: Counter;
  readonly delivered: Counter;
  /** Events of ours that were neither delivered nor forwarded, by `reason`. */
  readonly refused: Counter;
  /** Messages that did not fit a peer's queue, by `kind`. */
  readonly dropped: Counter;
  readonly dials: Counter;
  readonly malformed: Counter;
  readonly pauses: Counter;
}

export function createServiceCounters(meter: Meter): ServiceCounters {
  return {
    published: meter.counter('upsycle_events_published_total', 'Events this node published.'),
    delivered: meter.counter('upsycle_events_delivered_total', 'Events of others handed to the application.'),
    refused: meter.counter('upsycle_events_refused_total', 'Events neither delivered nor forwarded.', ['reason']),
    dropped: meter.counter('upsycle_messages_dropped_total', 'Messages past what waits for a peer.', ['kind']),
    dials: meter.counter('upsycle_dials_total', 'Dials for the overlay.', ['result']),
    malformed: meter.counter('upsycle_streams_malformed_total', 'Streams ended for what came over them.'),
    pauses: meter.counter('upsycle_reader_pauses_total', 'Times a peer was held back for sending too fast.'),
  };
}

/** Hands the node's own counts to a meter; each call adds what is new since the last. */
export class NodeReport {
  readonly #events: Counter;
  readonly #refusals: Counter;
  readonly #told = new Map<string, number>();

  constructor(meter: Meter) {
    this.#events = meter.counter('upsycle_ring_events_total', 'Events on the rings, by what became of them.', ['what']);
    this.#refusals = meter.counter('upsycle_refusals_total', 'Input of peers that was left alone.', ['reason']);
  }

  tell(node: Pick<OverlayNode, 'counts' | 'refusals'>): void {
    for (const [what, count] of Object.entries(node.counts)) this.#add(this.#events, 'what', what, count);
    for (const [reason, count] of node.refusals) this.#add(this.#refusals, 'reason', reason, count);
  }

  #add(counter: Counter, label: string, value: string, count: number): void {
    const key = `${label} ${value}`;
    const isNew = count - (this.#told.get(key) ?? 0);
    this.#told.set(key, count);
    if (isNew > 0) counter.add(isNew, { [label]: value });
  }
}
