import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { openLmdbEngine } from '../engines/lmdb/lmdb-engine.ts';
import { startRelayServer } from '../server/relay-server.ts';

// A relay for the kill tests. Arguments: DIRECTORY PORT. Prints its URL once it listens.

const [directory = '', port = '0'] = process.argv.slice(2);
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
    engine: await openLmdbEngine({ directory }, dependencies),
    listen: { host: '127.0.0.1', port: Number(port), tls: null },
  },
  dependencies,
);
process.stdout.write(`${server.url}\n`);
