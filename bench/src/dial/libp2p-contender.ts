import type { Libp2p, Stream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createQuietLogger, nativeTcp, nativeTls } from '@pulsemesh/network/tls';
import { createLibp2p } from 'libp2p';
import { type Contender, type Dialler, pieceBytes } from './contender.ts';

type Kind = 'stock' | 'full' | 'resumed';

const protocol = '/bench/sink/1';

/** libp2p with nothing but a transport, an encrypter and a multiplexer. */
export function libp2pContender(name: string, kind: Kind): Contender {
  return {
    name,
    async listen() {
      const host = await startHost(kind, ['/ip4/127.0.0.1/tcp/0']);
      await host.handle(protocol, drain);
      return { address: String(host.getMultiaddrs()[0]), stop: async () => host.stop() };
    },
    async createDialler(address) {
      const host = await startHost(kind, []);
      return createDialler(host, address);
    },
  };
}

function startHost(kind: Kind, listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    logger: createQuietLogger(), // of both kinds alike: what a log costs is another matter
    transports: [kind === 'stock' ? tcp() : nativeTcp()],
    connectionEncrypters: [kind === 'stock' ? tls() : nativeTls({ isResuming: kind === 'resumed' })],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000_000 },
    connectionMonitor: { enabled: false },
  });
}

function createDialler(host: Libp2p, address: string): Dialler {
  const target = multiaddr(address);
  return {
    async dial() {
      const connection = await host.dial(target);
      return () => connection.close();
    },
    async send(bytes) {
      const connection = await host.dial(target);
      const stream = await connection.newStream(protocol);
      const answered = new Promise<void>((resolve) => stream.addEventListener('message', () => resolve()));
      const piece = new Uint8Array(pieceBytes).fill(7);
      for (let sent = 0; sent < bytes; sent += pieceBytes) if (!stream.send(piece)) await stream.onDrain();
      await stream.close();
      await answered;
      await connection.close();
    },
    stop: async () => host.stop(),
  };
}

/** Reads to the end, then says so with one byte. */
async function drain(stream: Stream): Promise<void> {
  for await (const _bytes of stream);
  stream.send(Uint8Array.of(1));
  await stream.close();
}
