import { type Clock, sleep } from '@pulsemesh/base';
import type { AlertView } from '../api/types.ts';
import type { ApiClient } from '../client/api-client.ts';

/** Something worth a line on the operator's screen. */
export type Happening =
  | { readonly kind: 'first-reading' }
  | { readonly kind: 'raised'; readonly alert: AlertView }
  | { readonly kind: 'mailed'; readonly alert: AlertView; readonly mails: number }
  | { readonly kind: 'acknowledged'; readonly alert: AlertView };

const retryMs = 500;

/**
 * Watches the gateway's live events, over its restarts too, until the signal aborts. Of alerts that are no news only
 * what becomes of them is told.
 */
export async function watchGateway(
  client: ApiClient,
  clock: Clock,
  signal: AbortSignal,
  isNews: (alert: AlertView) => boolean,
  onHappening: (happening: Happening) => void,
): Promise<void> {
  const known = new Map<string, AlertView>();
  let hasReadings = false;
  const show = (alert: AlertView) => {
    const before = known.get(alert.alertId) ?? (isNews(alert) ? undefined : alert);
    known.set(alert.alertId, alert);
    if (before === undefined) onHappening({ kind: 'raised', alert });
    const mails = alert.notifiedCount - (before?.notifiedCount ?? 0);
    if (mails > 0) onHappening({ kind: 'mailed', alert, mails });
    if (alert.acknowledged !== null && !before?.acknowledged) onHappening({ kind: 'acknowledged', alert });
  };
  while (!signal.aborted) {
    try {
      for await (const event of client.live(signal)) {
        if (event.type === 'readings' && !hasReadings) {
          hasReadings = true;
          onHappening({ kind: 'first-reading' });
        }
        if (event.type === 'alert') show(event.alert);
      }
    } catch {
      // The gateway is being restarted; it is asked again.
    }
    await sleep(clock, retryMs, { signal }).catch(() => {});
  }
}
