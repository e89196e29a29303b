import { useSyncExternalStore } from 'react';
import { type PageTools, useTools } from '../state/hooks.ts';
import { type BoardState, BoardStore } from './board-store.ts';

const stores = new WeakMap<PageTools, BoardStore>();

/** The board of this page: one for all its pages, ended with the tools. */
export function useBoardStore(): BoardStore {
  const tools = useTools();
  const known = stores.get(tools);
  if (known !== undefined) return known;
  const { clock, client, storage, startFollower, store } = tools;
  const made = new BoardStore({ clock, client, storage, startFollower, nowMs: () => store.nowMs() });
  stores.set(tools, made);
  tools.ending.addEventListener('abort', () => made.stop(), { once: true });
  return made;
}

/** What the board's pages show, live: the board is looked at as long as a page with this is open. */
export function useBoardState(): BoardState {
  const store = useBoardStore();
  return useSyncExternalStore(store.subscribe, () => store.state);
}
