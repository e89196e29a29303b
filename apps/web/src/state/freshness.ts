import { formatDuration } from '../format.ts';

/** Without a new reading for longer than this (wall time), a heart is stale; then silent. */
export const staleAfterMs = 15_000;
export const silentAfterMs = 120_000;

export type Freshness =
  | { readonly kind: 'live' }
  /** `text` says for how long nothing came. */
  | { readonly kind: 'stale' | 'silent'; readonly text: string }
  | { readonly kind: 'never'; readonly text: string };

/** How much a shown rate can be trusted to be the present one. */
export function freshness(arrivalMs: number | null, nowMs: number): Freshness {
  if (arrivalMs === null) return { kind: 'never', text: 'No reading has come yet' };
  const ageMs = nowMs - arrivalMs;
  if (ageMs < staleAfterMs) return { kind: 'live' };
  return { kind: ageMs < silentAfterMs ? 'stale' : 'silent', text: `No reading for ${formatDuration(ageMs)}` };
}
