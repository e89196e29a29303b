import type { AlertView } from '@pulsemesh/node/api';

/** Nobody has said yet that they saw it: it needs somebody, whether or not the episode still goes on. */
export function needsAttention(alert: AlertView): boolean {
  return alert.acknowledged === null;
}

/** Alerts that need somebody first, then the newest. */
export function orderAlerts(alerts: Iterable<AlertView>): readonly AlertView[] {
  return [...alerts].sort(
    (a, b) =>
      Number(needsAttention(b)) - Number(needsAttention(a)) ||
      b.raisedForMs - a.raisedForMs ||
      a.alertId.localeCompare(b.alertId),
  );
}

/** The one alert a patient's card speaks of: one that needs somebody, else an episode that goes on. */
export function leadingAlert(alerts: Iterable<AlertView>, subject: string): AlertView | null {
  const own = orderAlerts(alerts).filter((alert) => alert.subject === subject);
  return own.find(needsAttention) ?? own.find((alert) => alert.resolvedMs === null) ?? null;
}
