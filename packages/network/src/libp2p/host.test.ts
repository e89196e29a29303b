import { connect } from 'node:net';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { createLibp2p } from 'libp2p';
import { expect, it } from 'vitest';
import { createHost } from './host.ts';
import { newTestKey } from './test-node.ts';

async function startHost() {
  const host = await createHost(
    {
      identityKeyBytes: await newTestKey(),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      relayed: undefined,
      isDirect: true,
      nat: {},
      isAnnounced: () => true,
      isAllowed: () => true,
      hasPubSub: true,
      dataDirectory: undefined,
    },
    { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger },
  );
  await host.libp2p.start();
  return { ...host, [Symbol.asyncDispose]: async () => host.libp2p.stop() };
}

it('speaks TLS 1.3 where both can, and noise where the other lacks it', async () => {
  await using one = await startHost();
  await using other = await startHost();
  const connection = await one.libp2p.dial(other.libp2p.getMultiaddrs());
  expect(connection.encryption).toBe('/tls/1.0.0');
  const old = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] });
  try {
    expect((await old.dial(other.libp2p.getMultiaddrs())).encryption).toBe('/noise');
  } finally {
    await old.stop();
  }
});

it('offers no plain connection', async () => {
  await using host = await startHost();
  const port = Number(
    host.libp2p
      .getMultiaddrs()[0]
      ?.getComponents()
      .find((part) => part.name === 'tcp')?.value,
  );
  const socket = connect(port, '127.0.0.1');
  const heard: Buffer[] = [];
  const frame = (text: string) => Buffer.from([text.length + 1, ...Buffer.from(`${text}\n`)]);
  socket.write(Buffer.concat([frame('/multistream/1.0.0'), frame('/plaintext/2.0.0')]));
  const refused = Promise.withResolvers<void>();
  socket.on('data', (chunk) => {
    heard.push(chunk);
    if (Buffer.concat(heard).includes('na\n')) refused.resolve();
  });
  await refused.promise;
  expect(Buffer.concat(heard).includes('/plaintext')).toBe(false);
  expect(host.libp2p.getConnections()).toEqual([]);
  socket.destroy();
});
