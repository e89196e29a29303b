import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import type { ConnectionEncrypter, Libp2p, PeerId, PrivateKey, StreamMuxerFactory } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { yamux } from '@libp2p/yamux';
import { createSeededRandom } from '@pulsemesh/base';
import { createLibp2p } from 'libp2p';
import { type NativeTlsDependencies, type NativeTlsInit, nativeTls } from './native-tls.ts';
import { nativeTcp } from './tcp-transport.ts';

const random = createSeededRandom(5);
const echo = '/echo/1';

export function newIdentity(): Promise<PrivateKey> {
  return generateKeyPairFromSeed('Ed25519', random.bytes(32));
}

/** Which encrypter and transport a host of a test has: ours over our sockets, ours over any connection, `@libp2p/tls`. */
export type HostKind = 'ours' | 'ours over other connections' | 'stock';

/** A libp2p host on loopback that echoes; dispose to stop it. */
export async function startEchoHost(
  kind: HostKind,
  options: { init?: NativeTlsInit; dependencies?: NativeTlsDependencies; privateKey?: PrivateKey; port?: number } = {},
): Promise<{ libp2p: Libp2p } & AsyncDisposable> {
  const libp2p = await createLibp2p({
    privateKey: options.privateKey ?? (await newIdentity()),
    addresses: { listen: [`/ip4/127.0.0.1/tcp/${options.port ?? 0}`] },
    transports: [kind === 'ours' ? nativeTcp() : tcp()],
    connectionEncrypters: [kind === 'stock' ? tls() : nativeTls(options.init, options.dependencies)],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
  await libp2p.handle(echo, async (stream) => {
    for await (const bytes of stream) if (!stream.send(bytes)) await stream.onDrain();
    await stream.close();
  });
  return { libp2p, [Symbol.asyncDispose]: async () => libp2p.stop() };
}

/** Sends `length` bytes to `to` over a fresh connection and counts what comes back; leaves the connection open. */
export async function echoOnce(from: Libp2p, to: Libp2p, length = 3): Promise<number> {
  const connection = await from.dial(to.getMultiaddrs());
  const stream = await connection.newStream(echo);
  const sending = stream.send(new Uint8Array(length).fill(7)) ? Promise.resolve() : stream.onDrain();
  let heard = 0;
  const listening = (async () => {
    for await (const bytes of stream) heard += bytes.byteLength;
  })();
  await sending;
  await stream.close();
  await listening;
  return heard;
}

/** An encrypter by itself, without a host. */
export interface LoneEncrypter {
  readonly encrypter: ConnectionEncrypter;
  readonly peer: PeerId;
}

export async function loneNativeTls(
  options: { privateKey?: PrivateKey; init?: NativeTlsInit; muxers?: readonly string[] } & NativeTlsDependencies = {},
): Promise<LoneEncrypter> {
  const privateKey = options.privateKey ?? (await newIdentity());
  const muxers = new Map((options.muxers ?? []).map((name) => [name, { protocol: name } as StreamMuxerFactory]));
  const upgrader = { getStreamMuxers: () => muxers };
  const encrypter = nativeTls(options.init, options)({ privateKey, upgrader });
  return { encrypter, peer: peerIdFromPrivateKey(privateKey) };
}

/** Lets two encrypters meet over a connection in memory. What each side made of it, or why it refused. */
export async function meet(client: LoneEncrypter, server: LoneEncrypter, expected: PeerId | undefined = server.peer) {
  const [outbound, inbound] = multiaddrConnectionPair();
  const [near, far] = await Promise.allSettled([
    client.encrypter.secureOutbound(outbound, expected === undefined ? {} : { remotePeer: expected }),
    server.encrypter.secureInbound(inbound),
  ]);
  return { near, far };
}
