import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { createSeededRandom, createSystemClock } from '@pulsemesh/base';
import { type Libp2pNetwork, type Libp2pNetworkOptions, startLibp2pNetwork } from '../libp2p-network.ts';

const clock = createSystemClock();
const random = createSeededRandom(11);

/** A fresh key for a node of a test. */
export async function newTestKey(): Promise<Uint8Array> {
  return (await generateKeyPairFromSeed('Ed25519', random.bytes(32))).raw;
}

/** Nodes of a test, on loopback and free ports; disposed together. */
export class TestNodes implements AsyncDisposable {
  #started: Libp2pNetwork[] = [];

  async start(options: Partial<Libp2pNetworkOptions>): Promise<Libp2pNetwork> {
    const node = await startLibp2pNetwork(
      {
        identityKeyBytes: await newTestKey(),
        listen: ['/ip4/127.0.0.1/tcp/0'],
        bootstrap: [],
        roles: ['storage'],
        trust: { peers: 'all' },
        elects: false,
        ...options,
      },
      { clock, random },
    );
    this.#started.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.splice(0).map((node) => node[Symbol.asyncDispose]()));
  }
}
