import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EngineUnsafeError, EngineUrlError } from '../../errors.ts';
import { inbox } from '../../testing/engine-samples.ts';
import { assertDurable, type ServerFacts } from './durability.ts';
import { parsePostgresUrl } from './settings.ts';
import { payloadsOf } from './wakeups.ts';

describe('the address of a database', () => {
  it('names several servers, a schema, and what else pg takes', () => {
    const url =
      'postgresql://relay:p%40ss@one:5432,[::1]:5433,three/mail?schema=ward_7&sslmode=require&target_session_attrs=read-write';
    expect(parsePostgresUrl(url)).toEqual({
      schema: 'ward_7',
      servers: ['one:5432', '[::1]:5433', 'three'].map(
        (host) => `postgres://relay:p%40ss@${host}/mail?sslmode=require`,
      ),
    });
    expect(parsePostgresUrl('postgres://one')).toEqual({ servers: ['postgres://one'], schema: 'pulsemesh_relay' });
  });

  it.each([
    'redis://one/0',
    'postgres://',
    'postgres://one:99999/x',
    'postgres://one,,two/x',
    'postgres://one:x/x',
    'postgres://one/x?schema=A%22;drop',
    `postgres://${Array(17).fill('one').join(',')}/x`,
  ])('is refused: %s', (url) => {
    expect(() => parsePostgresUrl(url)).toThrow(EngineUrlError);
  });

  it('is refused or taken apart, whatever it is, and a refusal does not repeat it', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parsePostgresUrl(`postgres://u:${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(EngineUrlError);
          if (text.length > 12) expect((error as Error).message).not.toContain(text);
        }
      }),
    );
  });
});

describe('what a server says of its durability', () => {
  const good: ServerFacts = {
    version: 'PostgreSQL 15.18 (Debian) on x86_64-pc-linux-gnu',
    isStandby: false,
    fsync: 'on',
    synchronousCommit: 'on',
    fullPageWrites: 'on',
    synchronousStandbys: '',
  };

  it.each<[string, Partial<ServerFacts>]>([
    ['all on', {}],
    ['local, and no standby', { synchronousCommit: 'local' }],
    ['remote_apply with standbys', { synchronousCommit: 'remote_apply', synchronousStandbys: '*' }],
    ['CockroachDB', { version: 'CockroachDB CCL v24.1', fsync: null, synchronousCommit: null, fullPageWrites: null }],
    ['YugabyteDB', { version: 'PostgreSQL 11.2-YB-2.20.1', fsync: 'off' }],
  ])('is enough: %s', (_, facts) => {
    expect(() => assertDurable({ ...good, ...facts })).not.toThrow();
  });

  it.each<[string, Partial<ServerFacts>]>([
    ['fsync', { fsync: 'off' }],
    ['fsync', { fsync: null }],
    ['full_page_writes', { fullPageWrites: 'off' }],
    ['synchronous_commit', { synchronousCommit: 'off' }],
    ['synchronous_commit', { synchronousCommit: null }],
    ['synchronous_commit', { synchronousCommit: 'remote_write', synchronousStandbys: 'one' }],
    ['PGlite', { version: 'PostgreSQL 17.5 on x86_64-pc-linux-gnu, compiled by emcc (Emscripten) 3.1.74, 32-bit' }],
  ])('is refused by the name of %s', (name, facts) => {
    expect(() => assertDurable({ ...good, ...facts })).toThrow(EngineUnsafeError);
    expect(() => assertDurable({ ...good, ...facts })).toThrow(name);
  });
});

describe('wake-ups between relays', () => {
  it('fit into payloads, and a flood of them wakes everybody', () => {
    const many = Array.from({ length: 450 }, (_, index) => inbox(index + 1));
    const payloads = payloadsOf('0123456789abcdef', many);
    expect(payloads.map((each) => each.length < 8000)).toEqual([true, true, true]);
    expect(payloadsOf('t', Array(6000).fill(inbox(1)))).toEqual(['t:*']);
  });
});
