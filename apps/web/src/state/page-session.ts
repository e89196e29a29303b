import type { Clock } from '@pulsemesh/base/clock';
import { AccessRefusedError, type ApiClient, RequestRefusedError } from '../api/client.ts';
import { type EventSourceLike, LiveFeed } from '../api/live-feed.ts';
import type { PageStore } from './page-store.ts';

export interface PageSessionDependencies {
  readonly clock: Clock;
  readonly store: PageStore;
  readonly client: ApiClient;
  readonly openEventSource: (url: string) => EventSourceLike;
}

/**
 * Keeps a store up to date: opens the feed, and asks for the state after each (re)connection. Returns a function
 * that ends it. Failures go into the store, where every page sees them.
 */
export function startPageSession(dependencies: PageSessionDependencies): { stop(): void; retryNow(): void } {
  const { clock, store, client, openEventSource } = dependencies;
  const abort = new AbortController();

  const refresh = async () => {
    try {
      // Each answer is shown as it comes; a slow one holds up nobody.
      await Promise.all([
        client.overview(abort.signal).then((overview) => store.setOverview(overview)),
        client.patients(abort.signal).then((patients) => store.putPatients(patients)),
        client.alerts(abort.signal).then((alerts) => store.putAlerts(alerts)),
        client.network(abort.signal).then((network) => store.setNetwork(network)),
        loadProfile(),
      ]);
      store.setLoadError(null);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error instanceof AccessRefusedError) refuse();
      else store.setLoadError(error instanceof Error ? error.message : 'Loading failed.');
    }
  };

  const loadProfile = () => loadProfileInto(store, client, abort.signal);
  const renewProfile = startRenewing(loadProfile, abort.signal);

  const refuse = () => {
    stop();
    store.setAccess('refused');
  };

  const stop = () => {
    abort.abort();
    feed.stop();
  };

  const feed = new LiveFeed(
    client.liveUrl,
    {
      onOpen: () => {
        store.renewConsent();
        void refresh();
      },
      onEvent: (event) => {
        store.apply(event);
        if (event.type === 'consent' || event.type === 'ledger') void renewProfile();
      },
      onState: (state) => {
        store.setConnection(state);
        // An EventSource does not tell a refusal from an outage; a request does.
        if (state.kind === 'reconnecting' || state.kind === 'offline') void probe();
      },
      onBadEvent: () => store.countBadEvent(),
    },
    { clock, openEventSource },
  );

  const probe = async () => {
    try {
      store.setOverview(await client.overview(abort.signal));
    } catch (error) {
      if (error instanceof AccessRefusedError && !abort.signal.aborted) refuse();
    }
  };

  return { stop, retryNow: () => feed.retryNow() };
}

/**
 * Blocks may come faster than anybody reads: one answer at a time, and another one for what came meanwhile. What fails is asked for again
 * with the next event, or the next connection.
 */
function startRenewing(load: () => Promise<void>, signal: AbortSignal): () => Promise<void> {
  let isBusy = false;
  let isOld = false;
  return async () => {
    isOld = true;
    if (isBusy) return;
    isBusy = true;
    while (isOld && !signal.aborted) {
      isOld = false;
      await load().catch(() => undefined);
    }
    isBusy = false;
  };
}

/** A node that is older than this page has no profile, and no consent. */
async function loadProfileInto(store: PageStore, client: ApiClient, signal: AbortSignal): Promise<void> {
  try {
    store.setProfile(await client.profile(signal));
  } catch (error) {
    if (!(error instanceof RequestRefusedError)) throw error;
  }
}
