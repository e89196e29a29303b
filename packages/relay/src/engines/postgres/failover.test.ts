import { createSystemClock, createSystemRandom, silentLogger, sleep } from '@pulsemesh/base';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import type { MailboxEngine } from '../../engine.ts';
import { EngineUnavailableError } from '../../errors.ts';
import { inbox, message } from '../../testing/engine-samples.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../testing/servers/postgres-server.ts';
import { checkWritten, readAll, WriterProcess } from '../../testing/writer-process.ts';
import { openPostgresEngine } from './postgres-engine.ts';

const isThere = findPostgres() !== null;
const clock = createSystemClock();
const dependencies = { clock, random: createSystemRandom(), logger: silentLogger };
const claimOf1 = { inbox: inbox(1), owner: inbox(0x101), untilMs: Number.MAX_SAFE_INTEGER, takesStreams: false };

/** A primary that waits for its standby's disk with each commit. */
async function startPair(): Promise<{ primary: PostgresServer; standby: PostgresServer } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(await startPostgres());
  const standby = stack.use(await startPostgres({ standbyOf: primary }));
  await query(primary, `alter system set synchronous_standby_names = '*'`);
  await query(primary, 'select pg_reload_conf()');
  await until(async () => {
    const [row] = await query(primary, 'select sync_state from pg_stat_replication');
    return row?.['sync_state'] === 'sync';
  });
  const both = stack.move();
  return { primary, standby, [Symbol.asyncDispose]: () => both.disposeAsync() };
}

async function query(server: PostgresServer, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(server.url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(clock, 20);
}

/** Asks again while the engine cannot be reached. */
async function eventually<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof EngineUnavailableError)) throw error;
      await sleep(clock, 50);
    }
  }
}

describe.skipIf(!isThere)('a PostgreSQL primary with a synchronous standby', () => {
  it('is killed under load: the standby takes over, nothing acknowledged is lost, nothing is stored twice', async () => {
    await using pair = await startPair();
    const url = `postgres://postgres@${pair.primary.host},${pair.standby.host}/postgres`;
    await using engine: MailboxEngine = await openPostgresEngine({ url }, dependencies);
    await engine.claim([{ ...claimOf1, untilMs: clock.now() + 86_400_000 }]);
    const epoch = (await engine.position(inbox(1)))?.epoch;
    await using stack = new AsyncDisposableStack();
    const writers = [1, 2].map((writer) => stack.use(new WriterProcess(writer, url)));
    await Promise.all(writers.map((writer) => writer.reached(200)));
    await pair.primary.crash();
    const before = writers.map(({ acknowledged }) => acknowledged.length);
    await query(pair.standby, 'select pg_promote()');
    await Promise.all(writers.map((writer, index) => writer.reached((before[index] ?? 0) + 200)));
    for (const writer of writers) await writer.kill();
    const stored = await eventually(() => readAll(engine));
    expect(checkWritten(writers, stored)).toEqual({ lost: [], doubled: [], damaged: 0 });
    expect(stored.map(({ offset }) => offset)).toEqual(stored.map((_, index) => index + 1));
    expect(await engine.position(inbox(1))).toEqual({ epoch, lastOffset: stored.length });
  });

  it('is not believed when it says "committed" without its standby, since somebody cancelled the wait', async () => {
    await using pair = await startPair();
    await using engine = await openPostgresEngine({ url: pair.primary.url }, dependencies);
    await engine.claim([claimOf1]);
    await pair.standby.crash();
    const given = message('x');
    const asked = engine.append([given]).then(
      () => 'acknowledged',
      (error) => error,
    );
    await until(async () => {
      const waiting = `from pg_stat_activity where wait_event = 'SyncRep'`;
      return (await query(pair.primary, `select pg_cancel_backend(pid) ${waiting}`)).length > 0;
    });
    expect(await asked).toBeInstanceOf(EngineUnavailableError);
    await pair.standby.restart();
    expect(await engine.append([given])).toEqual([{ kind: 'stored', offset: 1, isNew: false }]);
  });
});
