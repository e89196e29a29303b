/** `npm run bench` lists the benches; `npm run bench -- NAME` runs one and prints JSON lines; progress goes to standard error. */
import { benchBoard } from './board/bench-board.ts';
import { benchBoxes } from './boxes/bench-boxes.ts';
import { benchDial } from './dial/bench-dial.ts';
import { benchFederated } from './federated/bench-federated.ts';
import { benchLedger } from './ledger/bench-ledger.ts';
import { benchIdle, benchLink } from './link/bench-link.ts';
import { benchMailbox } from './mailbox/bench-mailbox.ts';
import { benchPipeline } from './pipeline/bench-pipeline.ts';
import { benchPubsub } from './pubsub/bench-pubsub.ts';
import type { BenchLine } from './report.ts';
import { benchSeal } from './seal/bench-seal.ts';
import { benchSecagg } from './secagg/bench-secagg.ts';

interface Bench {
  readonly about: string;
  readonly run: (say: (text: string) => void) => Promise<readonly BenchLine[]>;
}

const benches: Readonly<Record<string, Bench>> = {
  link: {
    about: '1 KiB from agent to agent through the relay, per transport, beside ws, Socket.IO, grpc-js, NATS',
    run: benchLink,
  },
  idle: { about: 'memory of 1,000 and 10,000 idle connections, beside the same', run: benchIdle },
  boxes: {
    about: 'time to the first echo and round trip through each firewall box, beside Socket.IO and a bare POST',
    run: benchBoxes,
  },
  pipeline: { about: 'MQTT to stored, predicted and alerted, beside a bare Mosquitto', run: benchPipeline },
  mailbox: { about: 'durable mailboxes, beside Redis Streams and PostgreSQL used directly', run: benchMailbox },
  dial: {
    about: 'opening and using a secure connection, beside node:tls and libp2p with @libp2p/tls',
    run: benchDial,
  },
  pubsub: {
    about: 'publish/subscribe beside gossipsub: one-topic, many-topics, attacks (one of them as a further word)',
    run: benchPubsub,
  },
  federated: {
    about: 'ten sites train the rhythm model over secure sums, beside all records in one place and each site alone',
    run: benchFederated,
  },
  secagg: { about: 'secure sums: processor time, bytes and time, beside the plain unmasked sum', run: benchSecagg },
  board: {
    about:
      "the board's log: durable appends beside an audit table in SQLite, proofs, receipts verified here and in a browser",
    run: benchBoard,
  },
  ledger: {
    about:
      "gas beside a minimal escrow and Ocean's contracts, purchases beside anvil, logged accesses beside an audit table",
    run: benchLedger,
  },
  seal: { about: 'envelopes, batches and HPKE, beside hpke, @hpke/core and libsodium', run: benchSeal },
};

const name = process.argv[2];
const bench = name === undefined ? undefined : benches[name];
if (bench !== undefined) {
  for (const line of await bench.run((text) => console.error(text))) console.log(JSON.stringify(line));
} else {
  if (name !== undefined && name !== '--help') {
    console.error(`There is no bench "${name}".`);
    process.exitCode = 2;
  }
  console.log('npm run bench -- NAME, where NAME is one of:');
  for (const [key, { about }] of Object.entries(benches)) console.log(`  ${key.padEnd(12)} ${about}`);
}
