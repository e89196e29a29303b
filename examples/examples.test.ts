import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { parseReadingMessage } from '@pulsemesh/vitals/readings';
import { expect, it } from 'vitest';
import { startMqttBroker } from '../packages/vitals/src/mqtt/broker.ts';

async function run(name: string, ...args: readonly string[]): Promise<string> {
  const file = fileURLToPath(new URL(name, import.meta.url));
  return (await promisify(execFile)(process.execPath, [file, ...args], { timeout: 50_000 })).stdout;
}

it('two peers: one asks, the other answers', async () => {
  expect(await run('two-peers.ts')).toBe('a heartbeat\n');
});

it('send a reading: what it publishes is a reading that the broker takes', async () => {
  const clock = createSystemClock();
  const taken: string[] = [];
  await using broker = await startMqttBroker(
    { port: 0 },
    {
      clock,
      logger: silentLogger,
      meter: silentMeter,
      ids: { has: () => false, hasAny: () => false, release: async () => {}, releaseAll: async () => {} },
      onPublish: (message, settle) => {
        taken.push(parseReadingMessage(message.payload, clock.now()).userId);
        queueMicrotask(() => settle(null));
      },
    },
  );
  expect(await run('send-a-reading.ts', broker.url, '1')).toMatch(/^kept: 7\d\.\d beats a minute\n$/);
  expect(taken).toEqual(['my-watch']);
});
