import {
  type Clock,
  createSystemClock,
  createSystemRandom,
  type Logger,
  type Meter,
  type Random,
  silentLogger,
  silentMeter,
} from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { startLinkServer } from '../server/index.ts';
import { createSessionServer } from '../session/index.ts';
import type { LinkIdentity, LinkSession } from '../session.ts';
import type { SessionServer, SessionServerOptions } from '../session-ends.ts';
import { createTestAuthority } from '../testing/boxes/index.ts';

/** What the client's tests hand to everything. */
export const testDependencies: {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
} = { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger, meter: silentMeter };

export function testIdentity(number: number): LinkIdentity {
  const signer = createSigner(new Uint8Array(32).fill(number));
  return { ...signer, peerId: peerIdOfEd25519(signer.publicKey) };
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly caPem: string | null;
  readonly identity: LinkIdentity;
  readonly sessions: SessionServer;
}

/** A server on loopback whose sessions echo: `echo` gives each message back, until the other end is through. */
export async function startTestServer(
  options: {
    readonly isTls?: boolean;
    readonly drop?: string;
    readonly port?: number;
  } & Partial<SessionServerOptions> = {},
): Promise<TestServer> {
  const authority = options.isTls === true ? createTestAuthority('link test') : null;
  const issued = authority?.issue() ?? null;
  const identity = testIdentity(1);
  let certificateSha256: () => Uint8Array | null = () => null;
  const sessions = createSessionServer(
    { identity, certificateSha256: () => certificateSha256(), ...options },
    testDependencies,
  );
  sessions.onSession(serveEcho);
  const server = await startLinkServer(
    {
      host: '127.0.0.1',
      port: options.port ?? 0,
      tls: issued === null ? null : { cert: issued.certificatePem, key: issued.keyPem },
      ...(options.drop === undefined ? {} : { drop: options.drop }),
    },
    { ...testDependencies, onCarrier: (carrier) => sessions.accept(carrier) },
  );
  certificateSha256 = () => server.certificateSha256();
  return {
    url: server.url,
    port: server.port,
    caPem: authority?.certificatePem ?? null,
    identity,
    sessions,
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function serveEcho(session: LinkSession): void {
  session.serve('echo', async (stream) => {
    for (;;) {
      const message = await stream.receive();
      if (message === null) break;
      await stream.send(message);
    }
    stream.end();
  });
}
