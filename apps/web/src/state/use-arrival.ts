import { useEffect } from 'react';
import type { Route } from './route.ts';

/** Gives a page that was fetched late the focus that it had no title for when the person went there. */
export function useArrival(route: Route): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each address
  useEffect(() => {
    if (document.activeElement !== document.body) return;
    document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
  }, [route]);
}
