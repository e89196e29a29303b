import { type BenchLine, benchLine } from '../report.ts';
import { type Contender, measureInTurn, type Timing } from './contender.ts';
import { ourBatch, ourEnvelope, ourHpke, ourHpkeContext, ourPairMessage } from './ours.ts';
import { corePeer, hpkeContextPeer, hpkeHybridPeer, hpkePeer, sodiumPeer } from './peers.ts';

const rounds = 7;
const forMs = 150;
const contentBytes = 1024;
const batchMessages = 64;
const conditions = '1 KiB content, one thread, calls one after the other';

interface Comparison {
  readonly metric: string;
  readonly ours: Contender;
  readonly peers: readonly Contender[];
  /** Opening is timed together with sealing. */
  readonly inOrder?: boolean;
  readonly conditions: string;
}

/** Sealing and opening 1 KiB for another agent: our HPKE, envelopes and batches beside other libraries. */
export async function benchSeal(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const comparisons = await compare(new Uint8Array(contentBytes).fill(0x5a));
  const contenders = new Set(comparisons.flatMap(({ ours, peers }) => [ours, ...peers]));
  const timings = await measureInTurn([...contenders], { rounds, forMs }, say);
  return comparisons.flatMap((one) =>
    one.peers.flatMap((peer) => {
      const [ours, theirs] = [timings.get(one.ours.name) ?? [], timings.get(peer.name) ?? []];
      const line = (what: string, pick: (timing: Timing) => number) =>
        benchLine(
          {
            bench: 'seal',
            metric: `${one.metric}, ${what}`,
            unit: 'µs',
            peerName: peer.name,
            conditions: `${conditions}; ${one.conditions}`,
          },
          ours.map(pick),
          theirs.map(pick),
        );
      return [
        line('seal', (timing) => timing.sealUs),
        line(one.inOrder ? 'seal and open' : 'open', (timing) => timing.openUs),
      ];
    }),
  );
}

async function compare(content: Uint8Array): Promise<readonly Comparison[]> {
  const [base, auth] = [await corePeer(content, 'base'), await corePeer(content, 'auth')];
  const [hpke, sodium, context] = [await hpkePeer(content), await sodiumPeer(content), await hpkeContextPeer(content)];
  return [
    {
      metric: 'HPKE base mode',
      ours: ourHpke(content),
      peers: [hpke, base, sodium],
      conditions: 'X25519, HKDF-SHA256, AES-256-GCM on both sides but libsodium (XSalsa20-Poly1305)',
    },
    {
      metric: 'envelope',
      ours: ourEnvelope(content, 'x25519'),
      peers: [hpke, auth, sodium],
      conditions: 'ours authenticates and hides the sender and pads; of the peers only auth mode authenticates',
    },
    {
      metric: 'hybrid envelope',
      ours: ourEnvelope(content, 'hybrid'),
      peers: [await hpkeHybridPeer(content)],
      conditions: 'ours signs besides (Ed25519) and pads',
    },
    {
      metric: 'HPKE context',
      ours: ourHpkeContext(content),
      peers: [context],
      inOrder: true,
      conditions: 'a message after the first',
    },
    {
      metric: 'batch of one',
      ours: ourBatch(content, 1),
      peers: [context],
      inOrder: true,
      conditions: 'ours has a key of its own for each batch and pads (to 4 KiB here)',
    },
    {
      metric: 'message in a pair session, as the relay client sends it',
      ours: ourPairMessage(content),
      peers: [context],
      inOrder: true,
      conditions: 'ours keeps state and message sealed before it lets the batch go; without the disk itself',
    },
    {
      metric: `batch of ${batchMessages}`,
      ours: ourBatch(content, batchMessages),
      peers: [context],
      inOrder: true,
      conditions: `ours: ${batchMessages} messages in one batch; the peer: one message`,
    },
  ];
}
