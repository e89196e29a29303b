import { createSeededRandom, createSystemClock, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { EngineClosedError, EngineFailedError, EngineUnavailableError, EngineUnsafeError } from '../../errors.ts';
import { runEngineContract } from '../../testing/engine-contract.ts';
import { inbox, message, texts } from '../../testing/engine-samples.ts';
import { findPostgres, startPostgres } from '../../testing/servers/postgres-server.ts';
import { checkWritten, readAll, WriterProcess } from '../../testing/writer-process.ts';
import { openPostgresEngine } from './postgres-engine.ts';

const isThere = findPostgres() !== null;
if (!isThere) console.warn('skipped: PostgreSQL is not installed (Debian: apt-get install postgresql)');

// The write-ahead log is flushed as it is in production; only the pauses between checkpoints are longer.
const server = isThere ? await startPostgres({ settings: { max_wal_size: '2GB', wal_level: 'logical' } }) : null;
afterAll(() => server?.[Symbol.asyncDispose]());

let schemas = 0;
type Options = Parameters<Parameters<typeof runEngineContract>[1]['open']>[0];
const urlNow = () => `${server?.url}?schema=relay_${schemas}`;
const open = ({ limits, ...dependencies }: Options) =>
  openPostgresEngine({ url: urlNow(), limits }, { ...dependencies, logger: silentLogger });
const openNew = (options: Options) => {
  schemas += 1;
  return open(options);
};
let seed = 0;
const dependencies = (clock = new VirtualClock()) => {
  seed += 1;
  return { clock, random: createSeededRandom(seed), logger: silentLogger };
};
const openPlain = (url: string) => openPostgresEngine({ url }, dependencies());
const claimOf1 = { inbox: inbox(1), owner: inbox(0x101), untilMs: Number.MAX_SAFE_INTEGER, takesStreams: false };

async function query(text: string, url = server?.url ?? ''): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  const result = await client.query(text);
  await client.end();
  return result.rows;
}

describe.skipIf(!isThere)('mailboxes in PostgreSQL', () => {
  runEngineContract(
    { describe, it },
    { name: 'PostgreSQL', open: openNew, reopen: open, openBeside: open, modelRuns: 6 },
  );

  it('shows a reader every offset in turn while several processes write to the mailbox', async () => {
    schemas += 1;
    await using engine = await openPostgresEngine({ url: urlNow() }, { ...dependencies(), clock: createSystemClock() });
    await engine.claim([claimOf1]);
    await using stack = new AsyncDisposableStack();
    const writers = [1, 2, 3].map((writer) => stack.use(new WriterProcess(writer, urlNow())));
    const seen: number[] = [];
    const enough = Promise.all(writers.map((writer) => writer.reached(300))).then(() => 'enough');
    for (let isOver = false; !isOver; ) {
      const after = { urgent: 0, normal: seen.at(-1) ?? 0 };
      const { messages } = await engine.read({ inbox: inbox(1), after, countMax: 50, bytesMax: 2 ** 20 });
      seen.push(...messages.map(({ offset }) => offset));
      isOver = messages.length === 0 && (await Promise.race([enough, Promise.resolve('')])) === 'enough';
    }
    for (const writer of writers) await writer.kill();
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    expect(seen.length).toBeGreaterThanOrEqual(900);
    expect(checkWritten(writers, await readAll(engine))).toEqual({ lost: [], doubled: [], damaged: 0 });
  });

  it('goes on after all its connections were cut, and looks once it listens again', async () => {
    schemas += 1;
    const clock = new VirtualClock();
    await using engine = await openPostgresEngine({ url: urlNow() }, dependencies(clock));
    await engine.claim([claimOf1]);
    await engine.append([message('before')]);
    const woken = Promise.withResolvers<void>();
    using _watch = engine.watch(inbox(1), woken.resolve);
    await query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pulsemesh-relay'`);
    const again = message('after');
    const outcome = await engine.append([again]).catch((error) => error);
    if (outcome instanceof Error) {
      expect(outcome).toBeInstanceOf(EngineUnavailableError);
      await engine.append([again]);
    }
    expect(await texts(engine)).toEqual(['before', 'after']);
    await clock.advance(5000);
    await woken.promise;
  });

  it('looks for what came while it could not listen', async () => {
    schemas += 1;
    const clock = new VirtualClock();
    await using engine = await openPostgresEngine({ url: urlNow() }, dependencies(clock));
    await engine.claim([claimOf1]);
    const schema = `relay_${schemas}`;
    await query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where query = 'listen ${schema}_stored'`);
    await using other = await openPostgresEngine({ url: urlNow() }, dependencies());
    await other.append([message('x')]);
    let isWoken = false;
    const woken = engine.watch(inbox(1), () => {
      isWoken = true;
    });
    // It may not have heard yet that its connection is gone.
    while (!isWoken) await clock.advance(100);
    woken[Symbol.dispose]();
    expect(await texts(engine)).toEqual(['x']);
  });

  it('says that the relay is full where the server has no room, and does nothing more once it is disposed', async () => {
    schemas += 1;
    const engine = await openPlain(urlNow());
    await engine.claim([claimOf1]);
    const schema = `relay_${schemas}`;
    await query(`create function ${schema}.no_room() returns trigger language plpgsql as
      $$ begin raise exception using errcode = '53100'; end $$`);
    await query(`create trigger no_room before insert on ${schema}.message execute function ${schema}.no_room()`);
    expect(await engine.append([message('x')])).toEqual([{ kind: 'refused', code: 'relay-full' }]);
    expect(await engine.stats()).toMatchObject({ messages: 0 });
    await query(`drop trigger no_room on ${schema}.message`);
    expect(await engine.append([message('x')])).toMatchObject([{ isNew: true }]);
    await engine[Symbol.asyncDispose]();
    await expect(engine.append([message('y')])).rejects.toThrow(EngineClosedError);
    await expect(engine.stats()).rejects.toThrow(EngineClosedError);
  });
});

describe.skipIf(!isThere)('the PostgreSQL engine refuses', () => {
  it('a server that does not flush, naming the setting, unless told otherwise', async () => {
    await using unsafe = await startPostgres({ settings: { fsync: 'off' } });
    const refused = openPlain(unsafe.url);
    await expect(refused).rejects.toThrow(EngineUnsafeError);
    await expect(refused).rejects.toThrow(/fsync is off, it must be on/);
    await using engine = await openPostgresEngine({ url: unsafe.url, unsafeDurability: true }, dependencies());
    expect(await engine.stats()).toEqual({ mailboxes: 0, messages: 0, bytes: 0 });
  });

  it('a login whose commits do not wait for the disk', async () => {
    const refused = openPlain(`${server?.url}?options=-c%20synchronous_commit%3Doff`);
    await expect(refused).rejects.toThrow(/synchronous_commit is off/);
  });

  it('a database that is not there, a schema of a newer program, a server that does not answer', async () => {
    await expect(openPlain(`${server?.url}_none`)).rejects.toThrow(EngineFailedError);
    schemas += 1;
    await (await openPlain(urlNow()))[Symbol.asyncDispose]();
    await query(`insert into relay_${schemas}.relay_schema (version) values (99)`);
    await expect(openPlain(urlNow())).rejects.toThrow(/version 99/);
    await expect(openPlain('postgres://127.0.0.1:1/none')).rejects.toThrow(EngineUnavailableError);
  });
});
