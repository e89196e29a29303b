import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { describe, it } from 'vitest';
import type { Carrier, CarrierHandler, TransportName } from '../carrier.ts';
import { drawCarrierId } from '../client/carriers/connect.ts';
import { createNodeConnectors } from '../client/connectors-node.ts';
import { type CarrierPair, runCarrierContract } from '../testing/index.ts';
import { createTestDialer, issueTlsMaterial, startTestServer } from './harness.ts';

const clock = createSystemClock();
const random = createSystemRandom();
const tls = issueTlsMaterial();

async function connectPair(
  transport: TransportName,
  isTls: boolean,
  client: CarrierHandler,
  server: CarrierHandler,
): Promise<CarrierPair> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'link-drop-'));
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const accepted = Promise.withResolvers<Carrier>();
  const onCarrier = (carrier: Carrier) => {
    carrier.start(transport === 'drop' ? withoutFirst(server) : server);
    accepted.resolve(carrier);
  };
  const options = { tls: isTls ? tls : null, drop: folder, dropLimits: { scanMs: 5 } };
  const running = opened.use(await startTestServer(options, { onCarrier }));
  const dialer = createTestDialer();
  opened.defer(() => dialer.cutAll());
  const connectors = createNodeConnectors({ clock, random, dialer }, { folder, lookMs: 5 });
  const connect = connectors[transport];
  if (connect === undefined) throw new Error(`no connector for ${transport}`);
  const { signal } = new AbortController();
  const carrier = await connect({ url: new URL(running.url), id: drawCarrierId(random), signal });
  opened.defer(() => carrier.close(null));
  carrier.start(client);
  // A folder shows itself to the server with the first file in it.
  if (transport === 'drop') carrier.send(new Uint8Array(1));
  const pair = { client: carrier, server: await accepted.promise };
  const stack = opened.move();
  const dispose = { [Symbol.asyncDispose]: () => stack.disposeAsync() };
  return transport === 'drop' ? { ...pair, ...dispose } : { ...pair, ...dispose, cut: () => dialer.cutAll() };
}

/** Keeps the packet that showed the folder from the contract. */
function withoutFirst(handler: CarrierHandler): CarrierHandler {
  let isFirst = true;
  return {
    onPacket(packet) {
      if (isFirst) isFirst = false;
      else handler.onPacket(packet);
    },
    onWritable: () => handler.onWritable(),
    onLost: () => handler.onLost?.(),
    onClosed: (reason) => handler.onClosed(reason),
  };
}

for (const transport of ['grpc', 'websocket', 'websocket-h2', 'stream', 'sse', 'long-poll', 'short-poll'] as const) {
  // Made of several requests: an agent that stops asking may come again.
  const isJoined = ['stream', 'sse', 'long-poll', 'short-poll'].includes(transport);
  for (const isTls of [false, true]) {
    runCarrierContract(
      { describe, it },
      {
        name: `${transport} over ${isTls ? 'TLS' : 'plaintext'}`,
        transport,
        connect: (client, server) => connectPair(transport, isTls, client, server),
        tellsClose: { client: !isJoined, server: true },
      },
    );
  }
}

runCarrierContract(
  { describe, it },
  {
    name: 'drop',
    transport: 'drop',
    connect: (client, server) => connectPair('drop', false, client, server),
    tellsClose: { client: false, server: false },
  },
);
