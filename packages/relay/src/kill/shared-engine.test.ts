import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findPostgres, startPostgres } from '../testing/servers/postgres-server.ts';
import { agentProgram, Child, logOf, relayProgram, waitForLast } from './child.ts';

const isThere = findPostgres() !== null;
const base = await mkdtemp(join(tmpdir(), 'pulsemesh-shared-'));
afterAll(() => rm(base, { recursive: true, force: true }));
const received = ({ lines }: Child) => lines.filter((line) => line.startsWith('received ')).length;
const sent = ({ lines }: Child) =>
  lines.filter((line) => line.startsWith('sent ')).map((line) => Number(line.slice(5)));

describe.skipIf(!isThere)('two relays over one PostgreSQL', () => {
  it('are killed in turn: agents go on at the other one, nothing is lost, doubled or out of order', async () => {
    await using server = await startPostgres();
    const startRelay = async (name: string, port: string) => {
      const relay = new Child(relayProgram, [join(base, name), port, server.url]);
      await relay.until((lines) => lines.length > 0);
      return { relay, url: relay.lines[0] ?? '' };
    };
    const [one, two] = [await startRelay('one', '0'), await startRelay('two', '0')];
    const urls = `${one.url},${two.url}`;
    const receiver = new Child(agentProgram, [join(base, 'receiver'), urls, '2', '1', '0', '0']);
    await receiver.until((lines) => lines.includes('known'));
    const sender = new Child(agentProgram, [join(base, 'sender'), urls, '1', '2', '0', '1000000']);
    const more = (count: number) => {
      const target = received(receiver) + count;
      return receiver.until(() => received(receiver) >= target);
    };
    await more(50);
    await one.relay.kill();
    await more(50);
    const again = await startRelay('one', new URL(one.url).port);
    await more(50);
    await two.relay.kill();
    await more(50);
    await sender.kill();
    // An outbox is empty once each relay that the agent has was told.
    const finished = new Child(agentProgram, [join(base, 'sender'), again.url, '1', '2', '0', '0']);
    await finished.until((lines) => lines.includes('idle'));
    const acknowledged = sent(sender);
    await waitForLast(receiver, join(base, 'receiver'), acknowledged.at(-1) ?? 0);
    for (const child of [finished, receiver, again.relay]) await child.kill();
    const log = await logOf(join(base, 'receiver'));
    const seen = new Set(log);
    expect(acknowledged.length).toBeGreaterThan(100);
    expect(acknowledged.filter((number) => !seen.has(number))).toEqual([]);
    expect(seen.size).toBe(log.length);
    expect(log).toEqual([...log].sort((before, after) => before - after));
  }, 180_000);
});
