import { createSystemClock, createSystemRandom, silentLogger, sleep } from '@pulsemesh/base';
import type { MessageToStore } from '../engine.ts';
import { openEngine } from '../engines/open-engine.ts';
import { isRetryable } from '../server/storing.ts';
import { inbox } from './engine-samples.ts';
import { numberedMessage, writerLimits } from './writer-process.ts';

// A relay's part in the crash tests, as a process: stores numbered messages in inbox 1 for ever, a few batches at once, asks again
// where the engine could not be reached, and prints each number once its message is acknowledged.
// Arguments: URL of the engine or `-`, directory, number of this writer.

const [url = '-', directory = '', writer = '0'] = process.argv.slice(2);
// A test that was cut off leaves nobody behind.
process.stdin.on('end', () => process.exit()).resume();
const clock = createSystemClock();
const engine = await openEngine(
  url === '-' ? undefined : url,
  { directory, limits: writerLimits },
  { clock, random: createSystemRandom(), logger: silentLogger },
);
await engine.claim([{ inbox: inbox(1), owner: inbox(0x101), untilMs: clock.now() + 86_400_000, takesStreams: false }]);
const batchMessages = 5;
const retryMs = 50;
let next = 0;
await Promise.all(Array.from({ length: 4 }, writeForEver));

async function writeForEver(): Promise<never> {
  for (;;) {
    const numbers = Array.from({ length: batchMessages }, (_, index) => next + index);
    next += batchMessages;
    await write(numbers.map((number) => numberedMessage(Number(writer), number)));
    process.stdout.write(`${numbers.join('\n')}\n`);
  }
}

async function write(batch: readonly MessageToStore[]): Promise<void> {
  for (;;) {
    try {
      const outcomes = await engine.append(batch);
      const refused = outcomes.find((outcome) => outcome.kind === 'refused');
      if (refused === undefined) return;
      if (refused.code !== 'busy') throw new Error(`refused: ${refused.code}`);
    } catch (error) {
      if (!isRetryable(error)) throw error;
    }
    await sleep(clock, retryMs);
  }
}
