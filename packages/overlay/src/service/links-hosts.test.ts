import { identify } from '@libp2p/identify';
import type { Connection, Startable, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { PeerId } from '@pulsemesh/wire';
import { createLibp2p } from 'libp2p';
import { afterEach, expect, it } from 'vitest';
import { DescriptorMemory } from '../codec.ts';
import type { Message } from '../message.ts';
import { InboundStream } from './inbound-stream.ts';
import { Links } from './links.ts';
import type { UpsycleComponents } from './upsycle.ts';

const protocol = '/upsycle/test';
const waitMs = 20_000;
const probe = (nonce: number): Message => ({ kind: 'probe', nonce, isReply: false });

const running: Startable[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()));
});

/** A libp2p host whose components are at hand, and links over it. */
async function startHost(clock: VirtualClock) {
  let components: UpsycleComponents | undefined;
  const host = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      components: (given: UpsycleComponents) => {
        components = given;
        return {};
      },
    },
  });
  running.push(host);
  if (components === undefined) throw new Error('libp2p makes its services at once');
  const { connectionManager, peerStore, registrar } = components;
  const said: string[] = [];
  const heard: number[] = [];
  const addresses = new Map<PeerId, string[]>();
  const links = new Links(
    { protocol, linksMax: 10, outboundBytesMax: 10_000, maxOutboundStreams: 2, runOnLimitedConnection: false },
    {
      self: host.peerId.toString() as PeerId,
      stoodStillMs: () => 0,
      connectionManager,
      peerStore,
      clock,
      random: createSeededRandom(1),
      logger: silentLogger,
      onConnected: () => said.push('connected'),
      onDisconnected: (_peer, why) => said.push(why),
      onUnreachable: () => said.push('unreachable'),
      onDropped: () => said.push('dropped'),
      onDialled: (isConnected) => said.push(isConnected ? 'dialled' : 'not dialled'),
      addressesOf: (peer) => addresses.get(peer) ?? [],
      wanted: () => [...addresses.keys()],
    },
  );
  await registrar.handle(protocol, (stream: Stream, connection: Connection) => {
    const from = connection.remotePeer.toString() as PeerId;
    new InboundStream(stream, new DescriptorMemory(), {
      onMessages: (messages) => {
        links.heard(from);
        for (const message of messages) if (message.kind === 'probe') heard.push(message.nonce);
      },
      onMalformed: () => said.push('malformed'),
    });
    stream.addEventListener('remoteCloseWrite', () => links.parting(from, connection));
    links.take(connection);
  });
  await registrar.register(protocol, { onConnect: (_peer, connection) => links.take(connection) });
  const meet = (other: { id: PeerId; at: string[] }) => addresses.set(other.id, other.at);
  const at = host.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*$/, ''));
  return { id: host.peerId.toString() as PeerId, at, host, links, said, heard, meet };
}

it('two hosts that dial each other at once end with one connection, and every message arrives once', async () => {
  const clock = new VirtualClock();
  const [one, other] = [await startHost(clock), await startHost(clock)];
  one.meet(other);
  other.meet(one);
  let count = 0;
  const sendBoth = () => {
    count += 1;
    one.links.send(other.id, probe(count));
    other.links.send(one.id, probe(count));
  };
  const sent = () => Array.from({ length: count }, (_, index) => index + 1);
  const heard = () => [one, other].map((host) => host.heard.toSorted((first, second) => first - second));
  const connections = () => [one, other].map(({ host }) => host.getConnections().length);

  sendBoth();
  await expect.poll(heard, { timeout: waitMs }).toEqual([sent(), sent()]);
  await expect.poll(connections, { timeout: waitMs }).toEqual([2, 2]);
  const tended = async () => {
    sendBoth();
    await clock.advance(1_000);
    for (const { links } of [one, other]) links.tend();
    return connections();
  };
  await expect.poll(tended, { timeout: waitMs }).toEqual([1, 1]);
  sendBoth();
  await expect.poll(heard, { timeout: waitMs }).toEqual([sent(), sent()]);
  for (const { said } of [one, other]) expect(said.toSorted()).toEqual(['connected', 'dialled']);
});
