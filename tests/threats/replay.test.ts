import { join } from 'node:path';
import { createPrometheusMeter } from '@pulsemesh/base';
import type { TransportName } from '@pulsemesh/link';
import { openLmdbEngine, type RelayServer, startRelayServer } from '@pulsemesh/relay';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCarrier, RecordedLink, RecordingProxy } from './recorded-link.ts';
import {
  connectClient,
  contactOf,
  dependencies,
  identityOf,
  relayIdentity,
  type SealingClient,
  startAgent,
  transports,
} from './relayed-agents.ts';
import { temporaryDirectory } from './whole-node.ts';

// Row 15. Whoever opens the TLS of a session (an inspecting box) has every packet of it and every byte around them. All of it is said
// again: on new connections, on carriers of the same and of another transport, to the relay after a restart, to the relay
// eight days later, and to the receiver, in its session and in its next one. An effect is a message that the relay stores, or that the
// application is given.

interface Recording {
  readonly transport: TransportName;
  readonly sent: readonly Uint8Array[];
  readonly proxy: RecordingProxy;
}

const place = temporaryDirectory();
const meter = createPrometheusMeter();
const bobLink = new RecordedLink(identityOf(2));
const recordings: Recording[] = [];
const given: string[] = [];
const expected: string[] = [];
let wake = () => {};
let bob: SealingClient;
let running: RelayServer;
let port = 0;

beforeAll(async () => {
  await startRelay(0);
  bob = await connectClient({ number: 2, relays: [{ name: 'relay', link: bobLink }] });
  bob.client.receive(async ({ bytes }) => {
    given.push(Buffer.from(bytes).toString());
    wake();
  });
}, 60_000);

afterAll(async () => {
  await bob.client[Symbol.asyncDispose]();
  await bobLink[Symbol.asyncDispose]();
  for (const { proxy } of recordings) await proxy[Symbol.asyncDispose]();
  await running[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

/** The relay on its directory and port, its clock so many days ahead. */
async function startRelay(daysAhead: number): Promise<void> {
  const { clock } = dependencies;
  const deps = { ...dependencies, meter, clock: { ...clock, now: () => clock.now() + daysAhead * 86_400_000 } };
  const engine = await openLmdbEngine({ directory: join(place.path, 'relay') }, deps);
  const listen = { host: '127.0.0.1', port, tls: null };
  running = await startRelayServer({ identity: relayIdentity, engine, listen }, deps);
  port = running.link.port;
}

/** The sum over all labels. */
async function counted(name: string): Promise<number> {
  const lines = (await meter.text()).split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** Alice sends something new, over a session of her own, and Bob is given it: what was said before that has had its effect, if any. */
async function sendAnew(text: string): Promise<void> {
  await using alice = await startAgent({ number: 1, url: running.url });
  await (await alice.client.send(contactOf(2), Buffer.from(text), { receipts: false })).stored;
  await isGiven(text);
}

async function isGiven(text: string): Promise<void> {
  expected.push(text);
  const { promise, resolve } = Promise.withResolvers<void>();
  wake = () => given.includes(text) && resolve();
  wake();
  await promise;
}

/** Says the packets of a recording on new carriers; those that the server answered. */
async function sayPackets({ sent }: Recording, transport: TransportName): Promise<number> {
  let answers = 0;
  const carrier = await openCarrier(transport, running.url);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  carrier.start({
    onPacket: () => {
      answers += 1;
    },
    onWritable: () => {},
    onClosed: () => resolve(),
  });
  for (const packet of [...sent, ...sent]) carrier.send(packet.slice());
  await sendAnew(`after ${transport} ${expected.length}`);
  carrier.close(null);
  await closed;
  return answers;
}

const other = (transport: TransportName) =>
  transports[(transports.indexOf(transport) + 1) % transports.length] as TransportName;

async function sayEverything(recording: Recording): Promise<void> {
  expect(await recording.proxy.sayAgain()).toBeGreaterThan(0);
  expect(await recording.proxy.sayAgain()).toBeGreaterThan(0);
  await sayPackets(recording, recording.transport);
  await sayPackets(recording, other(recording.transport));
}

/** Nothing but what was sent is stored and given; the relay did not even see it as something known. */
async function expectNoEffect(): Promise<void> {
  expect(given).toEqual(expected);
  expect(await counted('pulsemesh_relay_messages_stored_total')).toBe(expected.length);
  expect(await counted('pulsemesh_relay_messages_repeated_total')).toBe(0);
}

describe('row 15: everything that was said in sessions, said again', () => {
  it.each(transports)('has no second effect while they live: %s', async (transport) => {
    await bobLink.renew(transport, running.url);
    await bob.known;
    const proxy = await RecordingProxy.start(port);
    await using link = new RecordedLink(identityOf(1));
    const alice = await connectClient({ number: 1, relays: [{ name: 'relay', link }] });
    await link.renew(transport, proxy.url);
    for (let index = 0; index < 3; index += 1) {
      const text = `${transport} ${index}`;
      await (await alice.client.send(contactOf(2), Buffer.from(text), { receipts: false })).stored;
      await isGiven(text);
    }
    const recording = { transport, proxy, sent: [...link.sent] };
    recordings.push(recording);
    const dropped = await counted('link_packets_dropped_total{reason="replayed"}');
    await sayEverything(recording);
    bobLink.deliverAgain([...bobLink.received, ...bobLink.received]);
    await sendAnew(`${transport} anew`);
    await expectNoEffect();
    // They came in as packets of a session that the server knows, and were known again.
    expect(await counted('link_packets_dropped_total{reason="replayed"}')).toBeGreaterThan(dropped);
    await alice.client[Symbol.asyncDispose]();
  });

  it('has no second effect in another session of the receiver', async () => {
    const received = [...bobLink.received];
    await bobLink.renew('websocket', running.url);
    bobLink.deliverAgain([...received, ...received]);
    await sendAnew('in the next session');
    await expectNoEffect();
  });

  it.each([
    ['after the relay was restarted', 0],
    ['eight days later', 8],
  ])('has no second effect %s', async (_when, daysAhead) => {
    await running[Symbol.asyncDispose]();
    await startRelay(daysAhead);
    await bobLink.renew('websocket', running.url);
    let answers = 0;
    for (const recording of recordings) {
      expect(await recording.proxy.sayAgain()).toBeGreaterThan(0);
      answers += await sayPackets(recording, other(recording.transport));
    }
    await sendAnew(`${daysAhead} days later`);
    await expectNoEffect();
    // The hello in the recording is answered, and the rest refused: it was heard.
    expect(answers).toBeGreaterThan(0);
  });
});
