import { createSystemClock } from '@pulsemesh/base/clock';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import 'uplot/dist/uPlot.min.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/hearts.css';
import './styles/parts.css';
import './styles/network.css';
import { ApiClient } from './api/client.ts';
import { App } from './app.tsx';
import { startBoardWorker } from './board/start-worker.ts';
import { forgetAccessKey, rememberAccessKey, takeAccessKey } from './state/access-key.ts';
import { ToolsProvider } from './state/hooks.ts';
import { startPageSession } from './state/page-session.ts';
import { PageStore } from './state/page-store.ts';

const host = document.getElementById('root');
if (host === null) throw new Error('the page has no root');
const root = createRoot(host);
const clock = createSystemClock();
let stopBefore = () => {};

/** Shows the page for a key, or asks for one; called again when another is given. */
function open(key: string | null): void {
  stopBefore();
  const store = new PageStore({ access: key === null ? 'missing' : 'granted' }, { clock });
  const client = new ApiClient({ baseUrl: '', token: key ?? '' }, { fetch: (input, init) => fetch(input, init) });
  const openEventSource = (url: string) => new EventSource(url);
  const session = key === null ? null : startPageSession({ clock, store, client, openEventSource });
  const retryNow = () => session?.retryNow();
  window.addEventListener('online', retryNow);
  const ending = new AbortController();
  stopBefore = () => {
    ending.abort();
    window.removeEventListener('online', retryNow);
    session?.stop();
    store.stop();
  };
  const onKey = (typed: string) => {
    forgetAccessKey(window.localStorage);
    rememberAccessKey(window.localStorage, typed);
    open(typed);
  };
  const tools = {
    clock,
    store,
    client,
    storage: window.localStorage,
    startFollower: startBoardWorker,
    ending: ending.signal,
    retryNow,
  };
  root.render(
    <StrictMode>
      <ToolsProvider value={tools}>
        <App onKey={onKey} />
      </ToolsProvider>
    </StrictMode>,
  );
}

open(takeAccessKey({ location: window.location, history: window.history, storage: window.localStorage }));
// A pasted address with another key, while the page is open, changes only the hash.
window.addEventListener('hashchange', () => {
  if (!window.location.hash.includes('token=')) return;
  open(takeAccessKey({ location: window.location, history: window.history, storage: window.localStorage }));
});
