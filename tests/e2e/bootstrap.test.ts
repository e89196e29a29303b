import { join } from 'node:path';
import { it } from 'vitest';
import { CommandProcess, DemoProcess, eventually, temporaryDirectory } from './demo-process.ts';

it('lets newcomers in when both bootstraps are dead for good: through ordinary peers, then through a successor', async () => {
  using directory = temporaryDirectory();
  const dead = ['--leave-dead', 'bootstrap-1', '--leave-dead', 'bootstrap-2'];
  await using demo = new DemoProcess(join(directory.path, 'data'), dead);
  const client = await demo.client();
  const peers = async () => (await client.network()).peers;
  const bootstraps = await eventually('two bootstraps', async () => {
    const found = (await peers()).filter((peer) => peer.isAlive && peer.roles.includes('bootstrap'));
    return found.length === 2 ? found : null;
  });
  for (const { pid } of bootstraps) process.kill(pid, 'SIGKILL');
  await demo.seen(/bootstrap-1 ended \(SIGKILL\) and is not started again/);
  await demo.seen(/bootstrap-2 ended \(SIGKILL\) and is not started again/);

  const configured = demo.config('storage-1').bootstrap;
  const ordinary = demo.config('aggregation-1').listen;
  const start = (name: string, addresses: readonly string[]) =>
    new CommandProcess([
      ...['node', '--roles', 'prediction', '--name', name, '--data', join(directory.path, name)],
      ...['--bootstrap', addresses.join(','), '--log-level', 'error'],
    ]);
  const joined = async (newcomer: CommandProcess) => {
    const [, peerId] = await newcomer.seen(/"peerId":"(\w+)"/);
    return eventually(`${peerId} among the peers`, async () =>
      (await peers()).find((peer) => peer.peerId === peerId && peer.isAlive),
    );
  };
  await using first = start('newcomer-1', [...configured, ...ordinary]);
  await joined(first);

  const known = new Set(bootstraps.map((peer) => peer.peerId));
  const successor = await eventually('an elected successor', async () =>
    (await peers()).find((peer) => peer.isAlive && peer.roles.includes('bootstrap') && !known.has(peer.peerId)),
  );
  await using second = start('newcomer-2', [...configured, ...successor.addresses]);
  await joined(second);
});
