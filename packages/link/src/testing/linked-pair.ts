import {
  type Clock,
  createSeededRandom,
  type Logger,
  type Meter,
  type Random,
  silentLogger,
  silentMeter,
} from '@pulsemesh/base';
import { createSigner, generateSeed } from '@pulsemesh/crypto';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { createClientSession, createSessionServer } from '../session/index.ts';
import type { LinkIdentity, LinkSession } from '../session.ts';
import type { ClientSession, ClientSessionOptions, SessionServer, SessionServerOptions } from '../session-ends.ts';
import { createMemoryCarrierPair, type MemoryCarrierOptions, type MemoryCarrierPair } from './memory-carriers.ts';

/** An identity for tests; the seed of the random source decides which. */
export function createTestLinkIdentity(random: Random): LinkIdentity {
  const { publicKey, sign } = createSigner(generateSeed(random));
  return { peerId: peerIdOfEd25519(publicKey), publicKey, sign };
}

export interface LinkedPairOptions {
  readonly clock: Clock;
  /** Default: seeded with 1. */
  readonly random?: Random;
  readonly logger?: Logger;
  readonly meter?: Meter;
  readonly defer?: (action: () => void) => void;
  /** How the first carrier behaves. */
  readonly carrier?: Partial<MemoryCarrierOptions>;
  readonly agentIdentity?: LinkIdentity;
  readonly serverIdentity?: LinkIdentity;
  /** Default: one of its own, disposed with the pair. Given: several agents share it. */
  readonly server?: SessionServer;
  readonly serverOptions?: Partial<SessionServerOptions>;
  readonly clientOptions?: Partial<ClientSessionOptions>;
}

export interface LinkedPair extends AsyncDisposable {
  /** The agent's end. */
  readonly agent: ClientSession;
  /** The server's end of the same session. */
  readonly serverSession: LinkSession;
  readonly server: SessionServer;
  readonly carriers: MemoryCarrierPair;
  /** A further pair of carriers; its server end is accepted already, its agent end is for `agent.attach`. */
  addCarriers(options?: Partial<MemoryCarrierOptions>): MemoryCarrierPair;
}

/** Two sessions joined in memory, the login accepted. With delays in the carriers, let a virtual clock advance meanwhile. */
export async function createLinkedPair(options: LinkedPairOptions): Promise<LinkedPair> {
  const { clock, random = createSeededRandom(1), logger = silentLogger, meter = silentMeter, defer } = options;
  const dependencies = { clock, random, logger, meter, ...(defer === undefined ? {} : { defer }) };
  const identity = options.serverIdentity ?? createTestLinkIdentity(random);
  const server =
    options.server ??
    createSessionServer({ identity, certificateSha256: () => null, ...options.serverOptions }, dependencies);
  const agentIdentity = options.agentIdentity ?? createTestLinkIdentity(random);
  const serverSession = new Promise<LinkSession>((resolve) => {
    server.onSession((session) => {
      if (session.remote.peerId === agentIdentity.peerId) resolve(session);
    });
  });
  const addCarriers = (carrier: Partial<MemoryCarrierOptions> = {}) => {
    const pair = createMemoryCarrierPair({ clock, random, ...carrier });
    server.accept(pair.server);
    return pair;
  };
  const carriers = addCarriers(options.carrier);
  const agent = createClientSession(
    { identity: agentIdentity, software: 'test', ...options.clientOptions },
    dependencies,
  );
  await agent.attach(carriers.agent);
  await agent.established;
  return {
    agent,
    serverSession: await serverSession,
    server,
    carriers,
    addCarriers,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      if (options.server === undefined) await server[Symbol.asyncDispose]();
    },
  };
}
