import { describe, it } from 'vitest';
import type { Carrier, CarrierHandler, TransportName } from '../../carrier.ts';
import { startLinkServer } from '../../server/index.ts';
import { type CarrierPair, runCarrierContract } from '../../testing/carrier-contract.ts';
import { testDependencies } from '../client-test-server.ts';
import { createHttpConnectors } from '../connectors-http.ts';
import type { CarrierConnector } from './connect.ts';
import { createFetchExchange } from './http-fetch.ts';
import { connectBrowserWebSocket } from './websocket-browser.ts';

// Node's fetch and WebSocket have the interfaces of a page's; those of every other carrier are tested with the server.
const inPages: Readonly<Partial<Record<TransportName, CarrierConnector>>> = {
  websocket: (request) => connectBrowserWebSocket(request, testDependencies),
  ...createHttpConnectors((url) => createFetchExchange(url, testDependencies), testDependencies),
};

async function connectPair(
  connect: CarrierConnector,
  handlers: { readonly client: CarrierHandler; readonly server: CarrierHandler },
): Promise<CarrierPair> {
  await using opening = new AsyncDisposableStack();
  const arrived = Promise.withResolvers<Carrier>();
  const onCarrier = (carrier: Carrier) => {
    carrier.start(handlers.server);
    arrived.resolve(carrier);
  };
  const options = { host: '127.0.0.1', port: 0, tls: null };
  const server = opening.use(await startLinkServer(options, { ...testDependencies, onCarrier }));
  const { signal } = new AbortController();
  const client = await connect({ url: new URL(server.url), id: 'ab'.repeat(16), signal });
  opening.defer(() => client.close(null));
  client.start(handlers.client);
  const pair = { client, server: await arrived.promise };
  const opened = opening.move();
  return { ...pair, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

for (const [transport, connector] of Object.entries(inPages) as [TransportName, CarrierConnector][]) {
  runCarrierContract(
    { describe, it },
    {
      name: `${transport} as pages do it`,
      transport,
      tellsClose: { client: transport === 'websocket', server: true },
      connect: (client, server) => connectPair(connector, { client, server }),
    },
  );
}
