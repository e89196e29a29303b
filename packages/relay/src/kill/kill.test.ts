import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeededRandom } from '@pulsemesh/base';
import { afterAll, describe, expect, it } from 'vitest';
import { agentProgram, Child, logOf, relayProgram, waitForLast } from './child.ts';

// SIGKILL of relay, sender and receiver at random points under load. A campaign: RELAY_KILLS=100 RELAY_SEED=7.

const kills = Number(process.env['RELAY_KILLS'] ?? 4);
const seed = Number(process.env['RELAY_SEED'] ?? 1);
const base = await mkdtemp(join(tmpdir(), 'pulsemesh-kill-'));
afterAll(() => rm(base, { recursive: true, force: true }));

const ways = [
  { how: 'raw', text: 'what others sealed', killsOfReader: 'raw' },
  { how: 'sealed', text: 'in envelopes and pair sessions', killsOfReader: 'sealed' },
  { how: 'sealed', text: 'in pair sessions that the reader forgets', killsOfReader: 'forgetful' },
] as const;

describe.each(ways)('a relay and two agents that are killed under load, $text', ({ how, killsOfReader }) => {
  it(
    `lose nothing that a send acknowledged, and give it once, in order: ${kills} kills, seed ${seed}`,
    async () => {
      const random = createSeededRandom(seed);
      const at = (name: string) => join(base, killsOfReader, name);
      let sessions = 0;
      const startRelay = async (port: string) => {
        const relay = new Child(relayProgram, [at('relay'), port]);
        await relay.until((lines) => lines.length > 0);
        return relay;
      };
      let relay = await startRelay('0');
      const url = relay.lines[0] ?? '';
      const { port } = new URL(url);
      let first = 0;
      const acknowledged: number[] = [];
      const startSender = (count: number) =>
        new Child(agentProgram, [at('sender'), url, '1', '2', `${first}`, `${count}`, how]);
      const startReceiver = (like: string = how) =>
        new Child(agentProgram, [at('receiver'), url, '2', '1', '0', '0', like]);
      const collect = ({ lines }: Child) => {
        for (const line of lines) {
          if (line.startsWith('sent ')) acknowledged.push(Number(line.slice(5)));
          if (line === 'in-session') sessions += 1;
        }
        first = (acknowledged.at(-1) ?? -1) + 2; // one more may be in the outbox without having been printed
      };
      let receiver = startReceiver();
      await receiver.until((lines) => lines.includes('known'));
      let sender = startSender(1_000_000);
      for (let kill = 0; kill < kills; kill += 1) {
        const target = sender.lines.length + 1 + random.integer(150);
        await sender.until((lines) => lines.length >= target);
        const choice = kill % 3;
        if (choice === 0) {
          await relay.kill();
          relay = await startRelay(port);
        } else if (choice === 1) {
          await sender.kill();
          collect(sender);
          sender = startSender(1_000_000);
        } else {
          await receiver.kill();
          receiver = startReceiver(killsOfReader);
        }
      }
      await sender.kill();
      collect(sender);
      sender = startSender(0);
      await sender.until((lines) => lines.includes('idle'));
      // The last message through: what is before it in order is there too.
      collect(sender);
      await sender.kill();
      sender = startSender(1);
      await sender.until((lines) => lines.includes('idle'));
      collect(sender);
      const last = acknowledged.at(-1) as number;
      await waitForLast(receiver, at('receiver'), last);
      for (const child of [sender, receiver, relay]) await child.kill();
      const log = await logOf(at('receiver'));
      expect(acknowledged.length).toBeGreaterThan(kills);
      expect(sessions > 0).toBe(how === 'sealed');
      const seen = new Set(log);
      expect(acknowledged.filter((number) => !seen.has(number))).toEqual([]);
      expect(seen.size).toBe(log.length);
      expect(log).toEqual([...log].sort((one, other) => one - other));
    },
    240_000 + kills * 20_000,
  );
});
