/** One whole node for the namespace tests, as `startNode` makes it. Does what the lines of its input say, tells in JSON lines. */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  createPrometheusMeter,
  createSystemClock,
  createSystemRandom,
  silentLogger,
  startTicker,
} from '@pulsemesh/base';
import { ApiClient, parseNodeConfig, readToken } from '@pulsemesh/node';
import { startNode } from '@pulsemesh/node/process';
import { connectDevice, fibrillation, publishAll } from '../threats/whole-node.ts';

const wearer = 'QmWearerBehindARouter7Zq';
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

const config = parseNodeConfig(JSON.parse(process.argv[2] ?? ''));
const [clock, meter] = [createSystemClock(), createPrometheusMeter({ instance: config.name })];
const deps = { clock, random: createSystemRandom(), logger: silentLogger, meter };
const node = await startNode(config, { passphrase: null, smtpPassword: null }, deps);
const { http, mqtt } = node.ports;
const api = new ApiClient({
  url: `http://127.0.0.1:${http}`,
  token: readToken(join(config.dataDirectory, 'token')) ?? '',
});
const readings = fibrillation(wearer, clock.now() - 600_000);
let published = 0;

/** What this node knows of the others' doings, whenever it has changed. */
let told = '';
async function tellCounts(): Promise<void> {
  const stored = http === undefined ? 0 : (await api.overview()).counts.readings;
  const events = /^upsycle_events_delivered_total\S* (\d+)/m.exec(await meter.text())?.[1] ?? 0;
  const counts = JSON.stringify({ kind: 'counts', stored, delivered: Number(events) });
  if (counts !== told) process.stdout.write(`${counts}\n`);
  told = counts;
}

const commands: Readonly<Record<string, () => Promise<void>>> = {
  register: async () => {
    await api.registerPatient({
      userId: wearer,
      name: 'Wearer',
      email: 'wearer@example.org',
      language: 'en',
      doctor: null,
      tells: { patient: false, doctor: false },
      device: { kind: 'live' },
    });
    say({ kind: 'registered' });
  },
  publish: async () => {
    const device = await connectDevice(`mqtt://127.0.0.1:${mqtt}`, wearer);
    await publishAll(device, readings.slice(published, published + 20));
    published += 20;
    await device.endAsync();
    say({ kind: 'published', count: published });
  },
};

const ticker = startTicker(clock, 250, tellCounts, () => {});
say({ kind: 'ready', peer: node.peerId });
for await (const line of createInterface({ input: process.stdin })) await commands[line]?.();
ticker.stop();
await node[Symbol.asyncDispose]();
process.exit(0);
