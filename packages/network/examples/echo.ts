// Two libp2p nodes on this machine, a method, a call.

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { createRpcClient, type RoleName, serveRpc, startLibp2pNetwork } from '../src/index.ts';

const clock = createSystemClock();
const random = createSystemRandom();

async function start(role: RoleName, bootstrap: readonly string[]) {
  const { raw: identityKeyBytes } = await generateKeyPairFromSeed('Ed25519', random.bytes(32));
  return startLibp2pNetwork(
    { identityKeyBytes, listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap, roles: [role], trust: { peers: 'all' } },
    { clock, random },
  );
}

await using answerer = await start('storage', []);
await using asker = await start('ingest', answerer.addresses());
using _served = serveRpc(answerer, '/pulsemesh/echo/1', { echo: async (body) => body });

await using rpc = createRpcClient({ port: asker, clock });
const answer = await rpc.call(answerer.self, '/pulsemesh/echo/1', 'echo', 'a heartbeat');
process.stdout.write(`${answer}\n`);
