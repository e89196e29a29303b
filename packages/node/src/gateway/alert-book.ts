import type { AlertEvent } from '@pulsemesh/vitals/alerts';
import type { AlertView } from '../api/types.ts';

type Raised = Extract<AlertEvent, { type: 'raised' }>;

interface Entry {
  readonly subject: string;
  raised: Raised | null;
  resolvedSeconds: number | null;
  notifiedCount: number;
  acknowledged: AlertView['acknowledged'];
}

/** Alerts kept in memory at most; past it the oldest resolved ones are left out (storage keeps them). */
export const alertsMax = 10_000;

/**
 * What has become of each alert: a fold over its events, which may come in any order and more than once,
 * from the live feed and from storage.
 */
export class AlertBook {
  readonly #entries = new Map<string, Entry>();
  readonly #nameOf: (subject: string) => string | null;

  constructor(nameOf: (subject: string) => string | null) {
    this.#nameOf = nameOf;
  }

  /** Takes an event; true when something about the alert changed that a view shows. */
  add(subject: string, event: AlertEvent): boolean {
    const entry = this.#entries.get(event.alertId) ?? {
      subject,
      raised: null,
      resolvedSeconds: null,
      notifiedCount: 0,
      acknowledged: null,
    };
    if (entry.subject !== subject) return false; // an alert id belongs to one subject
    const isChanged = apply(entry, event);
    if (!this.#entries.has(event.alertId)) {
      this.#makeRoom();
      this.#entries.set(event.alertId, entry);
    }
    return isChanged && entry.raised !== null;
  }

  get(alertId: string): AlertView | undefined {
    const entry = this.#entries.get(alertId);
    return entry === undefined ? undefined : this.#view(entry);
  }

  /** Newest first. */
  list(): readonly AlertView[] {
    const views = [...this.#entries.values()].flatMap((entry) => this.#view(entry) ?? []);
    return views.sort((one, other) => other.raisedForMs - one.raisedForMs || (one.alertId < other.alertId ? -1 : 1));
  }

  /** Alerts whose story may go on: not resolved, or nobody told yet. */
  unsettled(): readonly AlertView[] {
    return this.list().filter((alert) => alert.resolvedMs === null || alert.notifiedCount === 0);
  }

  get openCount(): number {
    return this.list().filter((alert) => alert.resolvedMs === null).length;
  }

  get notifiedCount(): number {
    let count = 0;
    for (const entry of this.#entries.values()) count += entry.notifiedCount;
    return count;
  }

  #view({ subject, raised, resolvedSeconds, notifiedCount, acknowledged }: Entry): AlertView | undefined {
    if (raised === null) return undefined;
    return {
      alertId: raised.alertId,
      subject,
      patientName: this.#nameOf(subject),
      kind: raised.kind,
      episodeStartMs: raised.episodeStartSeconds * 1000,
      raisedForMs: raised.atSeconds * 1000,
      resolvedMs: resolvedSeconds === null ? null : resolvedSeconds * 1000,
      notifiedCount,
      acknowledged,
    };
  }

  #makeRoom(): void {
    if (this.#entries.size < alertsMax) return;
    for (const [alertId, entry] of this.#entries) {
      if (entry.resolvedSeconds === null) continue;
      this.#entries.delete(alertId);
      return;
    }
    const oldest = this.#entries.keys().next().value;
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}

function apply(entry: Entry, event: AlertEvent): boolean {
  switch (event.type) {
    case 'raised': {
      if (entry.raised !== null) return false;
      entry.raised = event;
      return true;
    }
    case 'resolved': {
      if (entry.resolvedSeconds !== null) return false;
      entry.resolvedSeconds = event.atSeconds;
      return true;
    }
    case 'notified': {
      if (event.recipientCount <= entry.notifiedCount) return false;
      entry.notifiedCount = event.recipientCount;
      return true;
    }
    case 'acknowledged': {
      if (entry.acknowledged !== null && entry.acknowledged.atMs <= event.atMs) return false;
      entry.acknowledged = { by: event.by, atMs: event.atMs };
      return true;
    }
  }
}
