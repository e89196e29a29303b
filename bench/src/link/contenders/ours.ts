import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { type Identity, identityOfSeed } from '@pulsemesh/identity';
import {
  connectLink,
  createDialer,
  createSessionServer,
  type Dialer,
  type LinkStream,
  type TransportName,
} from '@pulsemesh/link';
import { startLinkServer } from '@pulsemesh/link/server';
import { addressOfKey, createMemoryEngine, decodePeerOffer, encodePeerOpen, startRelay } from '@pulsemesh/relay';
import type { Contender, TlsPair } from '../contender.ts';

const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};
const streamName = 'bench';
const relayIdentity = identityOfSeed(new Uint8Array(32).fill(0xfe));
const connectionsMax = 20_000;
/** One machine opens thousands of connections here; the limits of an address are for strangers. */
const serverLimits = {
  connectionsMax,
  connectionsPerAddressMax: connectionsMax,
  connectionsPerAddressPerSecond: connectionsMax,
  connectionsPerAddressBurst: connectionsMax,
  connectionsPerSecond: connectionsMax,
  connectionsBurst: connectionsMax,
  carriersMax: connectionsMax,
  carriersPerAddressMax: connectionsMax,
};

/** The relay with mailboxes in memory and its client, on one transport: streams from agent to agent, spliced by the relay. */
export function ours(transport: TransportName): Contender {
  return {
    name: `ours, ${transport}`,
    async listen({ tls }) {
      const engine = createMemoryEngine({}, dependencies);
      const sessions = createSessionServer(
        {
          identity: relayIdentity,
          certificateSha256: () => server.certificateSha256(),
          limits: { sessionsMax: connectionsMax },
        },
        dependencies,
      );
      const server = await startLinkServer(
        { host: '127.0.0.1', port: 0, tls, limits: serverLimits },
        { ...dependencies, onCarrier: (carrier) => sessions.accept(carrier) },
      );
      const relay = startRelay({ engine, sessions }, dependencies);
      return {
        port: server.port,
        async stop() {
          await relay[Symbol.asyncDispose]();
          await sessions[Symbol.asyncDispose]();
          await server[Symbol.asyncDispose]();
        },
      };
    },
    async connect({ port, tls, id, onMessage }) {
      const link = await connectLink(
        {
          url: `${tls === null ? 'http' : 'https'}://localhost:${port}`,
          server: relayIdentity.peerId,
          identity: identityOf(id),
          transports: [transport],
          software: 'bench',
        },
        { ...dependencies, dialer: dialerOf(tls) },
      );
      const { session } = link;
      if (session === null) throw new Error('the link has no session');
      session.serve('peer.accept', async (stream) => {
        decodePeerOffer((await stream.receive()) ?? new Uint8Array(0));
        const ended = Promise.withResolvers<void>();
        stream.consume(
          (message) => (message === null ? ended.resolve() : onMessage(message)),
          () => ended.resolve(),
        );
        await ended.promise;
      });
      const streams = new Map<number, LinkStream>();
      return {
        send(to, payload) {
          let stream = streams.get(to);
          if (stream === undefined) {
            stream = session.open('peer.open');
            stream.write(encodePeerOpen({ to: addressOfKey(identityOf(to).publicKey), name: streamName }));
            streams.set(to, stream);
          }
          stream.write(payload);
        },
        close: () => void link[Symbol.asyncDispose](),
      };
    },
  };
}

let sharedDialer: { readonly tls: TlsPair | null; readonly dialer: Dialer } | undefined;

/** One dialer for all connections, as one process has: it reads the trusted certificates once. */
function dialerOf(tls: TlsPair | null): Dialer {
  if (sharedDialer === undefined || sharedDialer.tls !== tls) {
    const trust = tls === null ? {} : { trust: { caPems: [tls.cert], isExclusive: true } };
    sharedDialer = { tls, dialer: createDialer({ proxy: { kind: 'none' }, ...trust }, dependencies) };
  }
  return sharedDialer.dialer;
}

function identityOf(id: number): Identity {
  const seed = new Uint8Array(32).fill(1);
  new DataView(seed.buffer).setUint32(0, id);
  return identityOfSeed(seed);
}
