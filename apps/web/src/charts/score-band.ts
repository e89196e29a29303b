import type { WindowView } from '@pulsemesh/node/api';

/** How a window is shown. The bands are for the eye only: what raises an alert is decided by the alert engine. */
export type ScoreBand = 'regular' | 'unsure' | 'irregular' | 'unusable' | 'pending';

/** Scores below are shown as regular, from `irregular` on as irregular. */
export const bandLimits = { unsure: 0.4, irregular: 0.8 } as const;

export const bandOrder: readonly ScoreBand[] = ['regular', 'unsure', 'irregular', 'unusable', 'pending'];

export const bandNames: Readonly<Record<ScoreBand, string>> = {
  regular: 'regular',
  unsure: 'unsure',
  irregular: 'irregular',
  unusable: 'not usable',
  pending: 'awaiting score',
};

export function scoreBand(window: Pick<WindowView, 'isUsable' | 'score'>): ScoreBand {
  if (!window.isUsable) return 'unusable';
  if (window.score === null) return 'pending';
  if (window.score >= bandLimits.irregular) return 'irregular';
  return window.score >= bandLimits.unsure ? 'unsure' : 'regular';
}

/** "24 regular, 5 irregular, 1 not usable"; bands without a window are left out. */
export function summariseBands(windows: readonly WindowView[]): string {
  const counts = Map.groupBy(windows, scoreBand);
  const parts = bandOrder.flatMap((band) => {
    const count = counts.get(band)?.length ?? 0;
    return count === 0 ? [] : [`${count} ${bandNames[band]}`];
  });
  return parts.length === 0 ? 'no windows yet' : parts.join(', ');
}
