import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { ApiClient } from '../api/client.ts';
import { alertOf, FakeEventSource, overviewOf, patientOf } from '../testing.ts';
import { startPageSession } from './page-session.ts';
import { PageStore } from './page-store.ts';

const answers: Readonly<Record<string, unknown>> = {
  '/api/v1/overview': overviewOf(),
  '/api/v1/patients': { patients: [patientOf()] },
  '/api/v1/alerts': { alerts: [alertOf()] },
  '/api/v1/network': { self: 'x', peers: [] },
  '/api/v1/profile': { kind: 'network', ledger: null, organisation: null, waiting: [] },
};

function start(answer: (url: string) => Response) {
  const clock = new VirtualClock();
  const store = new PageStore({ access: 'granted' }, { clock });
  const client = new ApiClient({ baseUrl: '', token: 'k' }, { fetch: async (input) => answer(String(input)) });
  const sources: FakeEventSource[] = [];
  const session = startPageSession({
    clock,
    store,
    client,
    openEventSource: (url) => {
      const source = new FakeEventSource(url);
      sources.push(source);
      return source;
    },
  });
  return { clock, store, sources, session };
}

describe('a page session', () => {
  it('loads everything when the feed opens, and again when it is back', async () => {
    let asked = 0;
    const { clock, store, sources } = start((url) => {
      asked += 1;
      return Response.json(answers[url]);
    });
    sources[0]?.emit('open');
    await expect.poll(() => store.state.network).not.toBeNull();
    expect(store.state.patients?.size).toBe(1);
    expect(store.state.alerts?.size).toBe(1);
    expect(asked).toBe(5);
    sources[0]?.emit('error');
    await clock.advance(1_000);
    sources[1]?.emit('open');
    await expect.poll(() => asked).toBe(11);
  });

  it('finds out that the key is refused when the stream fails, and stops trying', async () => {
    const { clock, store, sources } = start(() => new Response(null, { status: 401 }));
    sources[0]?.emit('error');
    await expect.poll(() => store.state.access).toBe('refused');
    await clock.advance(60_000);
    expect(sources).toHaveLength(1);
  });

  it('says what could not be loaded', async () => {
    const { store, sources } = start(() => Response.json({ message: 'Storage is busy.' }, { status: 503 }));
    sources[0]?.emit('open');
    await expect.poll(() => store.state.loadError).toBe('Storage is busy.');
  });
});
