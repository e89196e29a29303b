import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { openEngine } from '../engines/open-engine.ts';
import { startRelayServer } from '../server/relay-server.ts';

// A relay for the kill tests. Arguments: DIRECTORY PORT, and the URL of a shared engine. Prints its URL once it listens.

const [directory = '', port = '0', engine] = process.argv.slice(2);
const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};
const { publicKey, sign } = createSigner(new Uint8Array(32).fill(9));
const server = await startRelayServer(
  {
    identity: { peerId: peerIdOfEd25519(publicKey), publicKey, sign },
    engine: await openEngine(engine, { directory }, dependencies),
    listen: { host: '127.0.0.1', port: Number(port), tls: null },
  },
  dependencies,
);
process.stdout.write(`${server.url}\n`);
