import { type Clock, startTicker } from '@pulsemesh/base/clock';
import type { WindowView } from '@pulsemesh/node/api';
import { createContext, useCallback, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import type { ApiClient } from '../api/client.ts';
import type { FromFollower, Line, ToFollower } from '../board/messages.ts';
import type { PageState, PageStore } from './page-store.ts';

/** What the pages work with; given once at the top. */
export interface PageTools {
  readonly clock: Clock;
  readonly store: PageStore;
  readonly client: ApiClient;
  /** Remembers small choices such as the person's own name. */
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  /** Starts whoever follows the board for this page; called when a page of the board is opened first. */
  readonly startFollower: () => Line<ToFollower, FromFollower>;
  /** Aborted when the page is opened with another key: what was started with these tools ends. */
  readonly ending: AbortSignal;
  /** Connects at once instead of waiting. */
  readonly retryNow: () => void;
}

const ToolsContext = createContext<PageTools | null>(null);
export const ToolsProvider = ToolsContext.Provider;

/** @throws Error outside a {@link ToolsProvider}: a bug. */
export function useTools(): PageTools {
  const tools = useContext(ToolsContext);
  if (tools === null) throw new Error('useTools outside its provider');
  return tools;
}

export function usePageState(): PageState {
  const { store } = useTools();
  const subscribe = useCallback((listener: () => void) => store.subscribe('page', listener), [store]);
  return useSyncExternalStore(subscribe, () => store.state);
}

export function useWindows(subject: string): readonly WindowView[] {
  const { store } = useTools();
  const subscribe = useCallback(
    (listener: () => void) => store.subscribe(`windows:${subject}`, listener),
    [store, subject],
  );
  return useSyncExternalStore(subscribe, () => store.windows(subject));
}

/** The server's time, renewed each second: numbers on the page change at this pace, however fast data come. */
export function useSecond(): number {
  const { clock, store } = useTools();
  const [nowMs, setNowMs] = useState(() => store.nowMs());
  useEffect(() => {
    const ticker = startTicker(
      clock,
      1_000,
      () => setNowMs(store.nowMs()),
      () => undefined,
    );
    return () => ticker.stop();
  }, [clock, store]);
  return nowMs;
}

/** How far past its newest reading a page looks for what it missed. */
const missedMaxMs = 60 * 60_000;
/** How much of the past a card asks for. */
export const cardHistoryMs = 5 * 60_000;

/**
 * Asks once per connection for a patient's readings and windows of the last `spanMs` before the newest reading.
 * What fails is left out: the live feed fills the page anyway.
 */
export function useHistory(subject: string, spanMs: number): { readonly isLoading: boolean } {
  const { client, store } = useTools();
  const state = usePageState();
  const isLive = state.connection.kind === 'live';
  const hasReadings = (state.patients?.get(subject)?.lastReadingMs ?? null) !== null;
  const [isLoading, setIsLoading] = useState(false);
  useEffect(() => {
    const newestMs = store.latest(subject)?.tMs ?? store.state.patients?.get(subject)?.lastReadingMs ?? null;
    if (!isLive || !hasReadings || newestMs === null) return;
    const abort = new AbortController();
    // Past the newest known reading too: after a lost connection there is more than the page knows of.
    const span = { fromMs: newestMs - spanMs, untilMs: newestMs + missedMaxMs };
    setIsLoading(true);
    const readings = client.readings(subject, span, abort.signal).then((found) => store.addReadings(found, 'history'));
    const windows = client.windows(subject, span, abort.signal).then((found) => store.addWindows(found));
    void Promise.allSettled([readings, windows]).then(() => {
      if (!abort.signal.aborted) setIsLoading(false);
    });
    return () => abort.abort();
  }, [client, store, subject, spanMs, isLive, hasReadings]);
  return { isLoading };
}
