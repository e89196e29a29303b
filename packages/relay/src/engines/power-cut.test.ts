import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { afterAll, describe, expect, it } from 'vitest';
import { findPostgres, startPostgres } from '../testing/servers/postgres-server.ts';
import { checkWritten, readAll, WriterProcess } from '../testing/writer-process.ts';
import { openEngine } from './open-engine.ts';

// A power cut, as far as it can be had without pulling a plug: the store lies on a file system in a file, its processes are killed,
// and at once the file is copied below the file system: what had not been flushed to it is not in the copy.

const base = mkdtempSync(join(tmpdir(), 'pulsemesh-power-'));
chmodSync(base, 0o755); // PostgreSQL's server is not root
const mounted: string[] = [];
afterAll(() => {
  for (const place of mounted) run('umount', '-l', place);
  rmSync(base, { recursive: true, force: true });
});

function run(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function mount(image: string): string | null {
  const place = `${image}-mounted`;
  mkdirSync(place);
  if (!run('mount', '-o', 'loop', image, place)) return null;
  mounted.push(place);
  return place;
}

/** A new file system of 512 MB; null where this process may not have one. */
function newDisk(name: string): { readonly image: string; readonly place: string } | null {
  const image = join(base, name);
  writeFileSync(image, '');
  const isMade = run('truncate', '-s', '512M', image) && run('mkfs.ext4', '-q', '-F', image);
  const place = isMade ? mount(image) : null;
  return place === null ? null : { image, place };
}

/** The disk as the power cut left it. */
function afterThePowerCut({ image }: { readonly image: string }): string {
  const copy = `${image}-copy`;
  copyFileSync(image, copy);
  const place = mount(copy);
  if (place === null) throw new Error('the copy cannot be mounted');
  return place;
}

const canMount = process.platform === 'linux' && process.getuid?.() === 0 && newDisk('trial') !== null;
if (!canMount) console.warn('skipped: a power cut needs root and loop devices');
const dependencies = { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger };
const nothingMissing = { lost: [], doubled: [], damaged: 0 };

describe.skipIf(!canMount)('a power cut under load', () => {
  it('takes nothing acknowledged from the embedded engine', async () => {
    const disk = newDisk('lmdb') as { image: string; place: string }; // the trial could be made
    await using writer = new WriterProcess(1, null, join(disk.place, 'relay'));
    await writer.reached(500);
    await writer.kill();
    const place = afterThePowerCut(disk);
    const { acknowledged } = writer;
    await using engine = await openEngine(undefined, { directory: join(place, 'relay') }, dependencies);
    expect(checkWritten([writer], await readAll(engine))).toEqual(nothingMissing);
    expect(acknowledged.length).toBeGreaterThanOrEqual(500);
  });

  it.skipIf(findPostgres() === null)('takes nothing acknowledged from PostgreSQL', async () => {
    const disk = newDisk('postgres') as { image: string; place: string }; // the trial could be made
    await using server = await startPostgres({ directory: join(disk.place, 'postgres') });
    run('sync'); // what initdb wrote; the server flushes for itself
    await using writer = new WriterProcess(1, server.url);
    await writer.reached(500);
    await Promise.all([server.crash(), writer.kill()]);
    const place = afterThePowerCut(disk);
    await using again = await startPostgres({ directory: join(place, 'postgres') });
    await using engine = await openEngine(again.url, { directory: '' }, dependencies);
    expect(checkWritten([writer], await readAll(engine))).toEqual(nothingMissing);
  });

  it.skipIf(findPostgres() === null)('is seen by this test where a server does not flush', async () => {
    const disk = newDisk('lazy') as { image: string; place: string }; // the trial could be made
    const settings = { fsync: 'off', wal_writer_delay: '10s' };
    await using server = await startPostgres({ directory: join(disk.place, 'postgres'), settings });
    run('sync');
    const options = { directory: '', unsafeDurability: true };
    await using engine = await openEngine(server.url, options, dependencies);
    await engine.stats();
    await engine[Symbol.asyncDispose]();
    await server.crash();
    const place = afterThePowerCut(disk);
    const [outcome] = await Promise.allSettled([reopen(join(place, 'postgres'))]);
    // The server does not start again, or has forgotten its tables.
    expect(outcome?.status === 'rejected' || outcome?.value === false).toBe(true);
  });
});

/** Whether the tables are there, without making them. */
async function reopen(directory: string): Promise<boolean> {
  await using server = await startPostgres({ directory });
  const { default: pg } = await import('pg');
  const client = new pg.Client(server.url);
  await client.connect();
  const { rows } = await client.query(`select to_regclass('pulsemesh_relay.mailbox') is not null as found`);
  await client.end();
  return rows[0].found;
}
