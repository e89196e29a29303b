import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressOfKey, type InboxId } from '@pulsemesh/relay/client';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeSendBatch } from '../../packages/relay/src/wire/send.ts';
import { contactOf, dependencies, introduce, type RelayedAgent, RelayProcess, startAgent } from './relayed-agents.ts';
import { temporaryDirectory } from './whole-node.ts';

// Rows 26, 27 and 28, at a relay that is a process of its own. Mallory (3) is an agent like others, as far as the relay knows.

const mebi = 1024 * 1024;
const place = temporaryDirectory();
let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});
process.once('exit', () => place[Symbol.dispose]());

let diskCount = 0;

/** A disk of its own in memory, taken away after the test; null where this process may not mount one. */
function mountDisk(megabytes: number): string | null {
  diskCount += 1;
  const path = join(place.path, `disk-${diskCount}`);
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return null;
  }
  stack.defer(() => {
    execFileSync('umount', [path]);
  });
  return path;
}

const canMount = mountDisk(1) !== null;

async function startRelay(task: Parameters<typeof RelayProcess.start>[0]): Promise<RelayProcess> {
  const relay = await RelayProcess.start({ logLevel: 'info', ...task });
  stack.use(relay);
  return relay;
}

async function startOne(number: number, url: string): Promise<RelayedAgent> {
  const agent = await startAgent({ number, url });
  stack.use(agent);
  return agent;
}

const addressOf = (number: number) => addressOfKey(contactOf(number).publicKey);

/** Sends bytes to an agent's mailbox until the relay refuses them; how many it took, and why no more. */
async function sendUntilRefused(from: RelayedAgent, to: number, bytes: number) {
  for (let taken = 0; taken < 20_000; taken += 16) {
    const sent = await Promise.all(
      Array.from({ length: 16 }, () =>
        from.client.raw.send([addressOf(to)], new Uint8Array(bytes), { receipts: false }),
      ),
    );
    const outcomes = await Promise.allSettled(sent.map(({ stored }) => stored));
    const refused = outcomes.find((outcome) => outcome.status === 'rejected');
    if (refused === undefined) continue;
    return { taken: taken + outcomes.filter(({ status }) => status === 'fulfilled').length, code: refused.reason.code };
  }
  throw new Error('nothing was refused');
}

/** What an agent's application is given, and a wait for so many. */
function collect(agent: RelayedAgent) {
  const texts: string[] = [];
  let look = () => {};
  agent.client.receive(async ({ bytes }) => {
    texts.push(Buffer.from(bytes).toString());
    look();
  });
  return {
    texts,
    until: (count: number) =>
      new Promise<void>((resolve) => {
        look = () => texts.length >= count && resolve();
        look();
      }),
  };
}

const sendText = async (from: RelayedAgent, to: number, text: string) =>
  (await from.client.send(contactOf(to), Buffer.from(text), { receipts: false })).stored;

/** Memory of the process that is no file: the mailboxes are mapped, and the kernel may take those pages back. */
function anonymousBytes({ child }: RelayProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

describe.skipIf(!canMount)('row 27: a relay on a disk of 64 MiB', () => {
  const engineLimits = { senderBytesMax: 8 * mebi, mailboxBytesMax: 16 * mebi };

  it('lets an agent fill its own share of it and no other’s: the mailbox it filled still takes what others send', async () => {
    const directory = join(mountDisk(64) ?? '', 'relay');
    const relay = await startRelay({ directory, engineLimits, reserveBytes: 4 * mebi });
    await introduce(2, relay.url);
    const mallory = await startOne(3, relay.url);
    const { taken, code } = await sendUntilRefused(mallory, 2, 64 * 1024);
    expect([taken, code]).toEqual([128, 'sender-full']);
    const alice = await startOne(1, relay.url);
    for (let index = 0; index < 20; index += 1) await sendText(alice, 2, `${index}`);
    const bob = await startOne(2, relay.url);
    const atBob = collect(bob);
    await atBob.until(20);
    expect(atBob.texts).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`));
    // What is read makes room for its sender again.
    await expect.poll(async () => (await relay.stats()).messages).toBe(0);
    await (await mallory.client.raw.send([addressOf(2)], new Uint8Array(64 * 1024), { receipts: false })).stored;
  });

  it('gives on what it has when agents together have filled it, says why it takes no more, and takes more once there is room', async () => {
    const disk = mountDisk(64) ?? '';
    const relay = await startRelay({ directory: join(disk, 'relay'), engineLimits, reserveBytes: 4 * mebi });
    await introduce(2, relay.url);
    const alice = await startOne(1, relay.url);
    for (let index = 0; index < 20; index += 1) await sendText(alice, 2, `${index}`);
    const codes = new Set<string>();
    for (let number = 10; number < 40 && !codes.has('relay-full'); number += 1) {
      const sybil = await startAgent({ number, url: relay.url });
      // A relay without room for its mailbox refuses it too.
      codes.add((await sendUntilRefused(sybil, number % 2 === 0 ? 2 : number, 64 * 1024)).code);
      await sybil[Symbol.asyncDispose]();
    }
    expect(codes).toContain('relay-full');
    await expect(sendText(alice, 2, 'no room')).rejects.toMatchObject({ code: 'relay-full', retryable: true });
    const bob = await startOne(2, relay.url);
    const atBob = collect(bob);
    await atBob.until(20);
    execFileSync('mount', ['-o', 'remount,size=128m', disk]);
    await sendText(alice, 2, 'room');
    await atBob.until(21);
    expect(atBob.texts).toEqual([...Array.from({ length: 20 }, (_, index) => `${index}`), 'room']);
  });
});

describe.skipIf(process.platform !== 'linux')(
  'row 26: an agent that floods (memory is looked up in /proc)',
  {
    timeout: 180_000,
  },
  () => {
    it('costs bounded memory, and others are served meanwhile, in order and without loss', async () => {
      const limits = { messagesPerSecondMax: 500, messagesBurstMax: 1_000 };
      const relay = await startRelay({ directory: join(place.path, 'flooded'), limits });
      const bob = await startOne(2, relay.url);
      await bob.known;
      const atBob = collect(bob);
      const alice = await startOne(1, relay.url);
      const mallory = await startOne(3, relay.url);
      const beforeBytes = anonymousBytes(relay);
      const flood = new Flood(mallory, addressOf(2));
      const flooding = flood.run();
      for (let index = 0; index < 50; index += 1) await sendText(alice, 2, `${index}`);
      await flood.offered(512 * mebi);
      const grownBytes = anonymousBytes(relay) - beforeBytes;
      flood.stop();
      await flooding;
      await atBob.until(50);
      expect(atBob.texts).toEqual(Array.from({ length: 50 }, (_, index) => `${index}`));
      expect((await relay.stats()).metrics).toMatch(/messages_refused_total\{code="too-fast"\} [1-9]/);
      expect(grownBytes).toBeLessThan(192 * mebi);
    });
  },
);

/** Writes batches on many streams at once, without regard for answers. */
class Flood {
  readonly #agent: RelayedAgent;
  readonly #batch: Uint8Array;
  #offeredBytes = 0;
  #isOver = false;
  #wake = () => {};

  constructor(agent: RelayedAgent, to: InboxId) {
    this.#agent = agent;
    const item = { ref: 1, to: [to], envelope: new Uint8Array(16 * 1024), ttlSeconds: 60, priority: 'normal' } as const;
    const items = Array.from({ length: 16 }, () => ({
      ...item,
      messageId: dependencies.random.bytes(16),
      receiptTo: null,
    }));
    this.#batch = encodeSendBatch(items);
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: 16 }, () => this.#runOne()));
  }

  async #runOne(): Promise<void> {
    while (!this.#isOver) {
      const stream = await this.#agent.link.open('mailbox.send');
      stream.consume(
        () => {},
        () => {},
      );
      // Answers tell a stream that it is too fast; a flooder takes the next one.
      for (let count = 0; count < 8 && !this.#isOver; count += 1) {
        await stream.send(this.#batch);
        this.#offeredBytes += this.#batch.length;
        this.#wake();
      }
      stream.end();
    }
  }

  offered(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => this.#offeredBytes >= bytes && resolve();
      this.#wake();
    });
  }

  stop(): void {
    this.#isOver = true;
  }
}

describe('row 28: a reader that stops', () => {
  it('is given its window and no more, while the rest waits on the disk; then it catches up, and nothing is lost', async () => {
    const count = 3_000;
    const relay = await startRelay({ directory: join(place.path, 'slow') });
    const carol = await startOne(3, relay.url);
    await carol.known;
    const isAwake = Promise.withResolvers<void>();
    const given: number[] = [];
    const all = Promise.withResolvers<void>();
    carol.client.raw.receive(async ({ envelope }) => {
      await isAwake.promise;
      given.push(Buffer.from(envelope).readUInt32BE());
      if (given.length === count) all.resolve();
    });
    const alice = await startOne(1, relay.url);
    for (let from = 0; from < count; from += 100) {
      const sent = Array.from({ length: 100 }, (_, index) => {
        const envelope = Buffer.alloc(8 * 1024);
        envelope.writeUInt32BE(from + index);
        return alice.client.raw.send([addressOf(3)], envelope, { receipts: false });
      });
      for (const { stored } of await Promise.all(sent)) await stored;
    }
    const { messages, metrics } = await relay.stats();
    expect(messages).toBe(count);
    expect(Number(/messages_delivered_total (\d+)/.exec(metrics)?.[1])).toBeLessThanOrEqual(256);
    isAwake.resolve();
    await all.promise;
    expect(given).toEqual(Array.from({ length: count }, (_, index) => index));
    await expect.poll(async () => (await relay.stats()).messages).toBe(0);
  });
});
