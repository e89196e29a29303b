import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ApiClient } from '@pulsemesh/node';
import type { AlertView, NetworkView, Overview } from '@pulsemesh/node/api';
import { describe, expect, it } from 'vitest';
import { CommandProcess, DemoProcess, eventually, temporaryDirectory } from './demo-process.ts';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function instancesIn(metrics: string): Set<string | undefined> {
  return new Set([...metrics.matchAll(/^process_up_seconds{[^}]*instance="([\w-]+)"/gm)].map(([, name]) => name));
}

// The page's data, `pulsemesh status` and `/metrics` of one running network, asked one after another: what only grows
// lies between what was before and after, what stands is the same.
async function expectOneStory(client: ApiClient, data: string): Promise<void> {
  const before = await client.overview();
  await using command = new CommandProcess(['status', '--data', data, '--json']);
  expect(await command.exited, command.text).toBe(0);
  const status: { overview: Overview; network: NetworkView; alerts: readonly AlertView[] } = JSON.parse(command.text);
  // A peer too busy to answer, or to say that it lives, is left out of one look, and is in the next.
  let counted: readonly number[] = [];
  const metrics = await eventually('the metrics of all peers', async () => {
    const text = await client.metrics();
    const { peers } = await client.network();
    counted = [instancesIn(text).size, peers.filter(({ isAlive }) => isAlive).length];
    return counted[0] === counted[1] ? text : null;
  }).catch((error) => {
    throw new Error(`${error.message}; at last of ${counted.join(' processes, alive ')}`);
  });
  const after = await client.overview();
  const stored = (kind: string) =>
    Number(new RegExp(`^pulsemesh_stored_records{[^}]*kind="${kind}"[^}]*} (\\d+)`, 'm').exec(metrics)?.[1]);
  for (const said of [status.overview.counts.readings, stored('reading')]) {
    expect(said).toBeGreaterThanOrEqual(before.counts.readings);
    expect(said).toBeLessThanOrEqual(after.counts.readings);
  }
  const pids = ({ peers }: NetworkView) => peers.map(({ pid, roles }) => `${roles.join()} ${pid}`).sort();
  expect(pids(status.network)).toEqual(pids(await client.network()));
  const known = (await client.alerts()).map((alert) => alert.alertId);
  expect(known).toEqual(expect.arrayContaining(status.alerts.map((alert) => alert.alertId)));
}

/** The page's data and `pulsemesh status` tell of the same sessions with relays, and `/metrics`, which looks every five seconds, soon too. */
async function expectSessionsAlike(client: ApiClient, data: string): Promise<void> {
  const upIn = ({ peers }: NetworkView) =>
    peers
      .flatMap(({ relays }) => relays)
      .filter(({ state }) => state === 'up')
      .map(({ url }) => new URL(url).host)
      .sort();
  let seen: unknown;
  const ask = async () => {
    await setTimeout(1_000); // each look is a process of its own
    const network = await client.network();
    seen = network.peers.flatMap(({ roles, isAlive, relays }) =>
      isAlive && relays.every(({ state }) => state === 'up') ? [] : { roles, isAlive, relays },
    );
    if (String(seen) !== '') return null;
    await using command = new CommandProcess(['status', '--data', data, '--json']);
    if ((await command.exited) !== 0) return null;
    const status: { network: NetworkView } = JSON.parse(command.text);
    const gauges = (await client.metrics()).matchAll(/^relay_session_up{[^}]*relay="([^"]+)"[^}]*} 1$/gm);
    const told = [upIn(network), upIn(status.network), [...gauges].map(([, host]) => host).sort()].map(String);
    seen = told;
    return (told[0] !== '' && new Set(told).size === 1) || null;
  };
  // On a busy machine each look takes seconds, in which sessions may come and go.
  await eventually('sessions that the page, the status and the metrics tell alike', ask, 180_000).catch((error) => {
    throw new Error(`${error.message}; at last: ${JSON.stringify(seen)}`);
  });
}

/** The study of the first life comes to its end in the second: its model serves at a prediction node, and the board bears it out. */
async function expectStudyEnds(demo: DemoProcess): Promise<void> {
  await demo.seen(/study-office has the model/);
  await demo.seen(/hospital-1 checked the model: .*; in service/);
  const log = join(demo.data, 'logs', 'prediction-1.log');
  await eventually('the model at a prediction node', async () => {
    return readFileSync(log, 'utf8').includes('another rhythm model is in service') || null;
  });
  const provenance = join(demo.data, 'nodes', 'prediction-1', 'models', 'rr.json');
  const { task }: { readonly task: string } = JSON.parse(readFileSync(provenance, 'utf8'));
  const place = [
    '--policy',
    join(demo.data, 'board-policy.json'),
    '--ca',
    join(demo.data, 'certificates', 'board-ca.pem'),
  ];
  await using verify = new CommandProcess(['learn', 'verify', task, ...place]);
  expect(await verify.exited, verify.text).toBe(0);
}

describe('the demo, every role its own process', () => {
  it('goes on where it was: same address, same token, and an acknowledgement that sticks', async () => {
    using directory = temporaryDirectory();
    const data = join(directory.path, 'data');
    const page = /Page +(\S+)/;
    let address = '';
    let alertId = '';
    {
      await using first = new DemoProcess(data, ['--speed', '40']);
      const client = await first.client();
      address = (await first.seen(page))[1] ?? '';
      const alert = await eventually('an alert', async () => (await client.alerts())[0]);
      alertId = alert.alertId;
      await client.acknowledge(alertId, 'Dr. Toni Berg');
      await using second = new DemoProcess(data, []);
      expect(await second.exited).toBe(1);
      expect(second.text).toMatch(/another Pulsemesh \(process \d+\) is running/);
      first.signal('SIGINT');
      expect(await first.exited).toBe(0);
    }
    await using again = new DemoProcess(data, ['--speed', '10']);
    const client = await again.client();
    expect((await again.seen(page))[1]).toBe(address);
    const kept = await eventually('the alert', async () =>
      (await client.alerts()).find((one) => one.alertId === alertId),
    );
    expect(kept.acknowledged?.by).toBe('Dr. Toni Berg');
    await eventually('the counts of before', async () => (await client.overview()).counts.readings > 100 || null);
    await expectSessionsAlike(client, data);
    await expectOneStory(client, data);
    await expectStudyEnds(again);

    // Killed without a word, it leaves nobody behind: its children notice.
    const { peers } = await client.network();
    again.signal('SIGKILL');
    await eventually('the end of all', async () => peers.every(({ pid }) => !isRunning(pid)) || null);
  });
});
