// Two libp2p nodes on this machine, a method, a call.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { loadOrCreateIdentity } from '@pulsemesh/identity';
import { createRpcClient, type RoleName, serveRpc, startLibp2pNetwork } from '@pulsemesh/network';

const clock = createSystemClock();
const random = createSystemRandom();
const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-example-'));

async function start(role: RoleName, bootstrap: readonly string[]) {
  const where = { file: join(directory, role, 'identity'), keyFile: join(directory, `${role}.key`) };
  const { libp2pPrivateKeyBytes: identityKeyBytes } = await loadOrCreateIdentity(where, { random });
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
await rm(directory, { recursive: true });
