import type { WindowView } from '@pulsemesh/node/api';

/** Windows of one patient that a page keeps: an hour of tens of seconds. */
export const windowsMax = 360;

/**
 * Merges windows into an ordered history: one per start, the later word wins (a window is first seen without
 * its score), the oldest leave first. Returns the same list when nothing changed.
 */
export function mergeWindows(known: readonly WindowView[], news: readonly WindowView[]): readonly WindowView[] {
  const byStart = new Map(known.map((window) => [window.startMs, window]));
  let isChanged = false;
  for (const window of news) {
    const before = byStart.get(window.startMs);
    // History asked for while the feed runs may be older than what was pushed: it must not take a score away.
    const losesScore = before?.score != null && window.score === null && window.readingCount <= before.readingCount;
    if (losesScore || (before !== undefined && isSame(before, window))) continue;
    byStart.set(window.startMs, window);
    isChanged = true;
  }
  if (!isChanged) return known;
  return [...byStart.values()].sort((a, b) => a.startMs - b.startMs).slice(-windowsMax);
}

function isSame(a: WindowView, b: WindowView): boolean {
  return (
    a.score === b.score &&
    a.isUsable === b.isUsable &&
    a.readingCount === b.readingCount &&
    a.missingSeconds === b.missingSeconds
  );
}
