import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { type Identity, identityOfSeed } from '@pulsemesh/identity';
import { connectLink, type Link } from '@pulsemesh/link';
import type { HttpHandlers } from '@pulsemesh/link/server';
import { createTestAuthority, type TestAuthority } from '@pulsemesh/link/testing';
import { createMemoryEngine, type RelayServer, startRelayServer } from '@pulsemesh/relay';
import { connectRelay, createMemoryInboxState, type RelayClient } from '@pulsemesh/relay/client';

export const dependencies = {
  clock: createSystemClock({ unref: true }),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};

/** An agent of ours at the relay, for a foreign one to talk to. */
export interface HomeAgent {
  readonly identity: Identity;
  readonly link: Link;
  readonly client: RelayClient<never, string>;
  /** What came to its mailbox, as text, in order. */
  readonly received: string[];
  /** Resolves once that many messages came. */
  receivedCount(count: number): Promise<void>;
}

/** A real relay on a loopback port, with TLS unless told otherwise, and agents of ours. */
export interface RelayWorld extends AsyncDisposable {
  readonly url: string;
  readonly identity: Identity;
  readonly server: RelayServer;
  readonly authority: TestAuthority;
  /** The authority's certificate, as a PEM file. */
  readonly caFile: string;
  /** Serves `echo` (streams) and `upper` (requests), and keeps what comes. */
  connectHome(): Promise<HomeAgent>;
}

export interface RelayWorldOptions {
  /** Default true. */
  readonly hasTls?: boolean;
  /** What else to serve on the relay's port. */
  readonly http?: HttpHandlers;
}

export async function startRelayWorld({ hasTls = true, http = {} }: RelayWorldOptions = {}): Promise<RelayWorld> {
  await using stack = new AsyncDisposableStack();
  const authority = createTestAuthority('Relay world');
  const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-clients-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, authority.certificatePem);
  const { certificatePem, keyPem } = authority.issue();
  const identity = identityOfSeed(dependencies.random.bytes(32));
  const server = stack.use(
    await startRelayServer(
      {
        identity,
        engine: createMemoryEngine({}, dependencies),
        listen: { host: '127.0.0.1', port: 0, tls: hasTls ? { cert: certificatePem, key: keyPem } : null, http },
      },
      dependencies,
    ),
  );
  const url = `${hasTls ? 'https' : 'http'}://localhost:${server.link.port}`;
  const running = stack.move();
  return {
    url,
    identity,
    server,
    authority,
    caFile,
    async connectHome() {
      const own = identityOfSeed(dependencies.random.bytes(32));
      const trust = { caPems: [authority.certificatePem], isExclusive: true };
      const link = running.use(
        await connectLink({ url, server: identity.peerId, identity: own, software: 'test', trust }, dependencies),
      );
      const client = running.use(
        await connectRelay<never, string>(
          {
            relays: [{ name: 'one', link }],
            identity: own,
            sealer: null,
            inboxState: createMemoryInboxState(),
          },
          dependencies,
        ),
      );
      return { identity: own, link, client, ...serveHome(client) };
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function serveHome(client: RelayClient<never, string>) {
  const received: string[] = [];
  const arrivals = new EventTarget();
  client.raw.receive(async ({ envelope }) => {
    received.push(new TextDecoder().decode(envelope));
    arrivals.dispatchEvent(new Event('message'));
  });
  client.raw.serve('echo', async (stream) => {
    for (let message = await stream.receive(); message !== null; message = await stream.receive()) {
      await stream.send(message);
    }
    stream.end();
  });
  client.raw.serve('upper', async (stream) => {
    const question = new TextDecoder().decode((await stream.receive()) ?? undefined);
    await stream.send(new TextEncoder().encode(question.toUpperCase()));
    stream.end();
  });
  return {
    received,
    receivedCount: (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (received.length < count) return;
          arrivals.removeEventListener('message', look);
          resolve();
        };
        arrivals.addEventListener('message', look);
        look();
      }),
  };
}
