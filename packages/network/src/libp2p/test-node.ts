import { generateKeyPairFromSeed, privateKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { createSeededRandom, createSystemClock } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { type Libp2pNetwork, type Libp2pNetworkOptions, startLibp2pNetwork } from '../libp2p-network.ts';
import type { PubSubFactory } from '../pubsub.ts';
import type { MemoryRelay } from '../relayed-memory.ts';

const system = createSystemClock();
const random = createSeededRandom(11);

/** A fresh key for a node of a test. */
export async function newTestKey(): Promise<Uint8Array> {
  return (await generateKeyPairFromSeed('Ed25519', random.bytes(32))).raw;
}

/** The peer id of such a key. */
export function testPeerId(keyBytes: Uint8Array): PeerId {
  return peerIdFromPrivateKey(privateKeyFromRaw(keyBytes)).toString() as PeerId; // libp2p's text form is ours
}

/** Nodes of a test, on loopback and free ports; disposed together. */
export class TestNodes implements AsyncDisposable {
  readonly #pubSub: PubSubFactory | undefined;
  #started: Libp2pNetwork[] = [];
  #aheadMs = 0;

  /** `pubSub` takes the place of gossipsub. */
  constructor(pubSub?: PubSubFactory) {
    this.#pubSub = pubSub;
  }

  /** All nodes' clocks go ahead by this much at once; timers stay as they were set. */
  advance(ms: number): void {
    this.#aheadMs += ms;
  }

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
      {
        clock: { ...system, monotonicMs: () => system.monotonicMs() + this.#aheadMs },
        random,
        ...(this.#pubSub === undefined ? {} : { pubSub: this.#pubSub }),
      },
    );
    this.#started.push(node);
    return node;
  }

  /** One that speaks through `relay`, and through nothing else unless it listens. */
  async startRelayed(relay: MemoryRelay, options: Partial<Libp2pNetworkOptions>): Promise<Libp2pNetwork> {
    const identityKeyBytes = options.identityKeyBytes ?? (await newTestKey());
    const relayed = relay.join(testPeerId(identityKeyBytes));
    const isDirect = (options.listen ?? []).length > 0;
    return this.start({ listen: [], isDirect, relayed, ...options, identityKeyBytes });
  }

  /** Stops the node started last under that id. */
  async stopLast(id: PeerId): Promise<void> {
    await this.#started.findLast((node) => node.self === id)?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.splice(0).map((node) => node[Symbol.asyncDispose]()));
  }
}
