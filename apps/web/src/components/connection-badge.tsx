import type { ConnectionState } from '../api/live-feed.ts';
import { formatTime } from '../format.ts';

const words: Readonly<Record<ConnectionState['kind'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
};

/** One word in the header on how fresh the page is. */
export function ConnectionBadge({ state }: { readonly state: ConnectionState }) {
  return (
    <span className={`connection connection-${state.kind}`} role="status">
      <span className="connection-dot" aria-hidden="true" />
      {words[state.kind]}
    </span>
  );
}

/** Says across the page that what is shown is old. */
export function ConnectionBanner(props: { readonly state: ConnectionState; readonly onRetry: () => void }) {
  const { state, onRetry } = props;
  if (state.kind === 'connecting' || state.kind === 'live') return null;
  return (
    <aside className="banner banner-offline" aria-label="Connection">
      <p>
        {state.kind === 'offline' ? 'No connection to the server. ' : 'The connection was lost; trying again. '}
        Shown is what was known at <time>{formatTime(state.sinceMs)}</time>.
      </p>
      <button type="button" className="button-quiet" onClick={onRetry}>
        Try now
      </button>
    </aside>
  );
}
