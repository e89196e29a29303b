/** One peer for the namespace tests: publish/subscribe over whatever local networks there are. Speaks JSON lines. */
import { createInterface } from 'node:readline';
import { identify } from '@libp2p/identify';
import { yamux } from '@libp2p/yamux';
import { nativeTcp, nativeTls } from '@pulsemesh/network/tls';
import { upsycle } from '@pulsemesh/overlay';
import { createLibp2p } from 'libp2p';

const topic = 'ward 7';
const { mode, listen } = JSON.parse(process.argv[2] ?? '') as {
  readonly mode: 'announce' | 'listen';
  readonly listen: readonly string[];
};
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

const node = await createLibp2p({
  addresses: { listen: [...listen] },
  transports: [nativeTcp()],
  connectionEncrypters: [nativeTls()],
  streamMuxers: [yamux()],
  services: { identify: identify(), pubsub: upsycle({ lan: mode, allowPublishToZeroTopicPeers: true }) },
});
const { pubsub } = node.services;
pubsub.subscribe(topic);
node.addEventListener('connection:open', ({ detail }) =>
  say({ kind: 'connected', peer: detail.remotePeer.toString(), address: detail.remoteAddr.toString() }),
);
pubsub.addEventListener('subscription-change', ({ detail }) =>
  say({ kind: 'subscriber', peer: detail.peerId.toString(), isSubscribed: detail.subscriptions[0]?.subscribe }),
);
pubsub.addEventListener('message', ({ detail }) => say({ kind: 'event', text: new TextDecoder().decode(detail.data) }));
say({ kind: 'ready', peer: node.peerId.toString() });
for await (const line of createInterface({ input: process.stdin })) {
  await pubsub.publish(topic, new TextEncoder().encode(line));
}
await node.stop();
