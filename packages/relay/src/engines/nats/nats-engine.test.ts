import { createSeededRandom, createSystemClock, createSystemRandom, silentLogger, sleep } from '@pulsemesh/base';
import { afterAll, describe, expect, it } from 'vitest';
import type { MailboxEngine } from '../../engine.ts';
import { EngineUnsafeError } from '../../errors.ts';
import { runEngineContract } from '../../testing/engine-contract.ts';
import { inbox, message, texts } from '../../testing/engine-samples.ts';
import { findNatsServer, startNats } from '../../testing/servers/nats-server.ts';
import { checkWritten, readAll, WriterProcess, writerLimits } from '../../testing/writer-process.ts';
import { openNatsEngine } from './nats-engine.ts';

const found = await findNatsServer();
const program = found.program ?? '';
if (found.program === null) console.warn(`skipped: ${found.reason}`);

const server = found.program === null ? null : await startNats(1, { program });
afterAll(() => server?.[Symbol.asyncDispose]());

let streams = 0;
type Options = Parameters<Parameters<typeof runEngineContract>[1]['open']>[0];
const urlNow = () => `${server?.url}&stream=relay_${streams}`;
const open = ({ limits, ...dependencies }: Options) =>
  openNatsEngine({ url: urlNow(), limits }, { ...dependencies, logger: silentLogger });
const openNew = (options: Options) => {
  streams += 1;
  return open(options);
};
const clock = createSystemClock();
const dependencies = { clock, random: createSystemRandom(), logger: silentLogger };
const claimOf1 = () => ({
  inbox: inbox(1),
  owner: inbox(0x101),
  untilMs: clock.now() + 86_400_000,
  takesStreams: false,
});

describe.skipIf(found.program === null)('mailboxes in NATS JetStream', () => {
  runEngineContract({ describe, it }, { name: 'NATS', open: openNew, reopen: open, openBeside: open, modelRuns: 6 });

  it('keeps its log short by snapshots, from which a relay starts and comes to the same', async () => {
    streams += 1;
    const options = { url: urlNow(), snapshotEveryBytes: 20_000 };
    await using engine = await openNatsEngine(options, dependencies);
    await engine.claim([claimOf1()]);
    const first = message('first');
    await engine.append([first]);
    for (let round = 0; round < 60; round += 1) {
      await engine.append([message('x'.repeat(2_000))]);
      const { epoch, messages } = await engine.read({
        inbox: inbox(1),
        after: { urgent: 0, normal: 1 },
        countMax: 9,
        bytesMax: 2 ** 20,
      });
      await engine.ack([{ inbox: inbox(1), epoch: epoch ?? '', messages }]);
    }
    await engine.append([message('last')]);
    await using other: MailboxEngine = await openNatsEngine(options, {
      ...dependencies,
      random: createSeededRandom(5),
    });
    expect(await texts(other)).toEqual(['first', 'last']);
    expect(await other.position(inbox(1))).toEqual(await engine.position(inbox(1)));
    expect(await other.append([first])).toMatchObject([{ isNew: false }]);
    const { first: firstLeft, last } = await boundsOf(`relay_${streams}`);
    expect(firstLeft).toBeGreaterThan(20);
    expect(last).toBeGreaterThan(120);
  });

  it('refuses a server that flushes now and then, and one whose settings it cannot see, unless told otherwise', async () => {
    await using lazy = await startNats(1, { program, syncInterval: '"2m"' });
    await expect(openNatsEngine({ url: lazy.url }, dependencies)).rejects.toThrow(EngineUnsafeError);
    await expect(openNatsEngine({ url: lazy.url }, dependencies)).rejects.toThrow(/sync_interval is not always/);
    const hidden = `${server?.url.replace(/monitor=[^&]*&/, '')}&stream=hidden`;
    await expect(openNatsEngine({ url: hidden }, dependencies)).rejects.toThrow(/sync_interval is unknown/);
    await using engine = await openNatsEngine({ url: lazy.url, unsafeDurability: true }, dependencies);
    expect(await engine.stats()).toEqual({ mailboxes: 0, messages: 0, bytes: 0 });
  });

  it('refuses a stream that was made with other limits', async () => {
    streams += 1;
    await using _engine = await openNatsEngine({ url: urlNow() }, dependencies);
    const other = { url: urlNow(), limits: { mailboxCountMax: 5 } };
    await expect(openNatsEngine(other, dependencies)).rejects.toThrow(/limits are others/);
  });
});

async function boundsOf(stream: string): Promise<{ first: number; last: number }> {
  const [monitor] = /monitor=([^&]*)/.exec(server?.url ?? '')?.slice(1) ?? [];
  const answer = await fetch(`http://${monitor}/jsz?streams=true`);
  const details = JSON.parse(await answer.text()).account_details[0].stream_detail as {
    readonly name: string;
    readonly state: { readonly first_seq: number; readonly last_seq: number };
  }[];
  const state = details.find(({ name }) => name === stream)?.state;
  return { first: state?.first_seq ?? 0, last: state?.last_seq ?? 0 };
}

describe.skipIf(found.program === null)('a cluster of three NATS servers', () => {
  it('loses its leader under load: nothing acknowledged is lost, nothing is stored twice', async () => {
    await using cluster = await startNats(3, { program });
    await using engine = await openNatsEngine({ url: cluster.url, limits: writerLimits }, dependencies);
    await engine.claim([claimOf1()]);
    await using stack = new AsyncDisposableStack();
    const writers = [1, 2].map((writer) => stack.use(new WriterProcess(writer, cluster.url)));
    await Promise.all(writers.map((writer) => writer.reached(200)));
    const leader = await leaderOf(cluster.servers[0]?.monitorPort ?? 0);
    const before = writers.map(({ acknowledged }) => acknowledged.length);
    await cluster.servers.find(({ name }) => name === leader)?.crash();
    await Promise.all(writers.map((writer, index) => writer.reached((before[index] ?? 0) + 200)));
    for (const writer of writers) await writer.kill();
    const stored = await readAll(engine);
    expect(checkWritten(writers, stored)).toEqual({ lost: [], doubled: [], damaged: 0 });
    expect(stored.map(({ offset }) => offset)).toEqual(stored.map((_, index) => index + 1));
    await using fresh = await openNatsEngine(
      { url: cluster.url, limits: writerLimits, unsafeDurability: true },
      { ...dependencies, random: createSeededRandom(9) },
    );
    // What the writers were not told any more may have come in since.
    const again = await readAll(fresh);
    expect(again.slice(0, stored.length)).toEqual(stored);
    expect(checkWritten(writers, again)).toEqual({ lost: [], doubled: [], damaged: 0 });
    // Elections take seconds, twice.
  }, 180_000);
});

/** The server that leads the stream. A server that has just joined may not say yet. */
async function leaderOf(monitorPort: number): Promise<string> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${monitorPort}/jsz?streams=true`);
    const [account] = JSON.parse(await answer.text()).account_details ?? [];
    const leader = account?.stream_detail?.[0]?.cluster?.leader;
    if (leader) return leader;
    await sleep(clock, 50);
  }
}
