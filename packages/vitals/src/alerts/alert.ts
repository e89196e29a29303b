/** What an alert is about. */
export type AlertKind = 'irregular-rhythm';

/** `alertId`: 32 hex characters, a hash of subject, kind and episode start: the same episode, the same alert. */
export type AlertEvent =
  | {
      readonly type: 'raised';
      readonly alertId: string;
      readonly kind: AlertKind;
      readonly episodeStartSeconds: number;
      /** Start of the window that tipped it. */
      readonly atSeconds: number;
    }
  | { readonly type: 'resolved'; readonly alertId: string; readonly kind: AlertKind; readonly atSeconds: number }
  | { readonly type: 'notified'; readonly alertId: string; readonly recipientCount: number; readonly atMs: number }
  | { readonly type: 'acknowledged'; readonly alertId: string; readonly by: string; readonly atMs: number };
