import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSeededRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { contactOf, introduce, type RelayedAgent, RelayProcess, startAgent } from './relayed-agents.ts';
import { temporaryDirectory } from './whole-node.ts';

// Row 7. The relay's mailboxes lie on a file system of their own, in an image. The power is cut by SIGKILL and a copy of the image at
// once: what the kernel had not written to the device is not in the copy. The relay goes on with the copy. What this does not model: a
// disk that lies about its own cache. A campaign: POWER_CUTS=20 POWER_SEED=7.

const cuts = Number(process.env['POWER_CUTS'] ?? 4);
const seed = Number(process.env['POWER_SEED'] ?? 1);
const imageBytes = 96 * 1024 * 1024;

/** The disk of the relay: what lies on it outlives a cut as far as it was flushed. */
class CutDisk implements Disposable {
  readonly #base: string;
  #generation = 0;
  #isMounted = false;

  constructor(base: string) {
    this.#base = base;
    // A test that runs out of time disposes nothing.
    process.once('exit', () => this[Symbol.dispose]());
    execFileSync('truncate', ['-s', String(imageBytes), this.#image]);
    execFileSync('mkfs.ext4', ['-q', '-F', this.#image], { stdio: 'ignore' });
    this.#mount();
  }

  get #image(): string {
    return join(this.#base, `image-${this.#generation}`);
  }

  get path(): string {
    return join(this.#base, `disk-${this.#generation}`);
  }

  #mount(): void {
    mkdirSync(this.path);
    execFileSync('mount', ['-o', 'loop', this.#image, this.path], { stdio: 'ignore' });
    this.#isMounted = true;
  }

  /** The device as it is now becomes the disk; whoever wrote to it must be dead. */
  cut(): void {
    const before = { image: this.#image, path: this.path };
    this.#generation += 1;
    execFileSync('cp', ['--sparse=always', before.image, this.#image]);
    execFileSync('umount', [before.path]);
    execFileSync('rm', ['-r', before.image, before.path]);
    this.#mount();
  }

  [Symbol.dispose](): void {
    if (!this.#isMounted) return;
    this.#isMounted = false;
    execFileSync('umount', ['--lazy', this.path]);
  }
}

/** Null where images can be mounted, else what is missing. */
function absence(): string | null {
  if (process.platform !== 'linux') return '(not on Linux)';
  using place = temporaryDirectory();
  try {
    using _disk = new CutDisk(place.path);
    return null;
  } catch {
    return '(no right to mount an image here, or no mkfs.ext4)';
  }
}

/** Numbers of messages, as the sender gives them and as a mailbox gives them back. */
const bytesOf = (number: number) => Buffer.from(`number ${number}`.padEnd(200));
const numberOf = (bytes: Uint8Array) => Number(Buffer.from(bytes).toString().split(' ')[1]);

/** Sends numbers as fast as they are taken; knows which the relay said it stored. */
class LoadingSender {
  readonly stored = new Set<number>();
  readonly #agent: RelayedAgent;
  readonly #to: readonly number[];
  #next = 0;
  #isOver = false;
  #wake: { readonly count: number; resolve(): void } | null = null;

  constructor(agent: RelayedAgent, to: readonly number[]) {
    this.#agent = agent;
    this.#to = to;
  }

  async run(): Promise<void> {
    while (!this.#isOver) {
      const batch = Array.from({ length: 8 }, () => this.#sendOne());
      await Promise.all(batch);
    }
  }

  async #sendOne(): Promise<void> {
    const number = this.#next;
    this.#next += 1;
    const sent = this.#to.map((to) => this.#agent.client.send(contactOf(to), bytesOf(number), { receipts: false }));
    await Promise.all((await Promise.all(sent)).map(({ stored }) => stored));
    this.stored.add(number);
    if (this.#wake !== null && this.stored.size >= this.#wake.count) this.#wake.resolve();
  }

  /** Resolves once so many more are stored. */
  async more(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = { count: this.stored.size + count, resolve };
    await promise;
  }

  stop(): void {
    this.#isOver = true;
  }
}

function collect(agent: RelayedAgent) {
  const numbers: number[] = [];
  let wake: { count: number; resolve: () => void } | null = null;
  agent.client.receive(async ({ bytes }) => {
    numbers.push(numberOf(bytes));
    if (wake !== null && numbers.length >= wake.count) wake.resolve();
  });
  return {
    numbers,
    async until(count: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = { count, resolve };
      if (numbers.length < count) await promise;
    },
  };
}

const missing = absence();

describe.skipIf(missing !== null)(`row 7: a relay whose power is cut ${missing ?? ''}`, () => {
  it(
    'loses nothing that it said it stored, and gives it once and in order',
    async () => {
      const random = createSeededRandom(seed);
      using place = temporaryDirectory();
      using disk = new CutDisk(place.path);
      const start = (port: number) => RelayProcess.start({ directory: join(disk.path, 'relay'), port });
      let relay = await start(0);
      // Whatever happens: the disk can be let go of only once nobody writes to it.
      await using _end = { [Symbol.asyncDispose]: () => relay.kill() };
      const { url, port } = relay;
      await introduce(2, url);
      await using alice = await startAgent({ number: 1, url });
      await using carol = await startAgent({ number: 3, url });
      await carol.known;
      const atCarol = collect(carol);
      const lost: string[] = [];
      carol.client.onContinuityLost(({ relay: name }) => void lost.push(name));
      const sender = new LoadingSender(alice, [2, 3]);
      const sending = sender.run();
      let controlsLost = 0;
      for (let cut = 0; cut < cuts; cut += 1) {
        await sender.more(50 + random.integer(200));
        const control = 'x'.repeat(100_000);
        writeFileSync(join(disk.path, `control-${cut}`), control);
        await relay.kill();
        disk.cut();
        if (readOrNothing(join(disk.path, `control-${cut}`)) !== control) controlsLost += 1;
        relay = await start(port);
      }
      await sender.more(50);
      sender.stop();
      await sending;
      const stored = [...sender.stored].sort((one, other) => one - other);
      await atCarol.until(stored.length);
      await using bob = await startAgent({ number: 2, url });
      const atBob = collect(bob);
      await atBob.until(stored.length);
      await relay.kill();
      expect(atBob.numbers).toEqual(stored);
      expect(atCarol.numbers).toEqual(stored);
      expect(lost).toEqual([]);
      // What nobody flushed is lost by a cut: the cuts are real.
      expect([seed, controlsLost]).toEqual([seed, cuts]);
    },
    60_000 + cuts * 20_000,
  );
});

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
