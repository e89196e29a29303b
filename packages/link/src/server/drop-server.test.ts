import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import type { Carrier } from '../carrier.ts';
import { FrameReader, framePackets } from '../framing.ts';
import { CarrierRegister } from './carrier-register.ts';
import { createAddressJudge } from './client-address.ts';
import { type DropLimits, type DropServer, startDropServer } from './drop-server.ts';
import { linkServerLimits } from './limits.ts';
import { createOriginJudge } from './origins.ts';
import { createServerEvents } from './server-events.ts';

const id = 'ab'.repeat(16);

interface Drop extends AsyncDisposable {
  readonly folder: string;
  readonly server: DropServer;
  readonly clock: VirtualClock;
  readonly carriers: Carrier[];
  readonly packets: string[];
  readonly ends: (string | undefined)[];
  readonly outside: string;
}

async function openDrop(limits: Partial<DropLimits> = {}): Promise<Drop> {
  const base = await mkdtemp(join(tmpdir(), 'link-drop-'));
  const folder = join(base, 'drop');
  const clock = new VirtualClock();
  const carriers: Carrier[] = [];
  const packets: string[] = [];
  const ends: (string | undefined)[] = [];
  const events = createServerEvents({ logger: silentLogger, meter: silentMeter });
  const onCarrier = (carrier: Carrier) => {
    carriers.push(carrier);
    carrier.start({
      onPacket: (packet) => packets.push(Buffer.from(packet).toString()),
      onWritable() {},
      onClosed: (reason) => ends.push(reason?.code),
    });
  };
  const context = {
    limits: linkServerLimits,
    clock,
    random: createSystemRandom(),
    events,
    carriers: new CarrierRegister(linkServerLimits, { events, onCarrier }),
    addresses: createAddressJudge([]),
    judgeOrigin: createOriginJudge([]),
  };
  const server = await startDropServer({ folder, limits }, { context, logger: silentLogger });
  return {
    folder,
    server,
    clock,
    carriers,
    packets,
    ends,
    outside: base,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(base, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Leaves a file for the server, as the agent does. */
async function leave(drop: Drop, name: string, content: Uint8Array, carrier = id): Promise<void> {
  const folder = join(drop.folder, 'to-server', carrier);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'writing'), content);
  await rename(join(folder, 'writing'), join(folder, name));
}

function framed(...texts: string[]): Uint8Array {
  return framePackets(texts.map((text) => Buffer.from(text)));
}

describe('the file drop', () => {
  it('takes files in the order of their names and removes them, and writes one file for all that waits', async () => {
    await using drop = await openDrop();
    await leave(drop, '2.packets', framed('c'));
    await leave(drop, '1.packets', framed('a', 'b'));
    await drop.server.scan();
    expect(drop.packets).toEqual(['a', 'b', 'c']);
    expect(await readdir(join(drop.folder, 'to-server', id))).toEqual([]);
    for (const text of ['x', 'y']) drop.carriers[0]?.send(Buffer.from(text));
    await drop.server.scan();
    const folder = join(drop.folder, 'to-agent', id);
    const [name = '', ...others] = await readdir(folder);
    expect(others).toEqual([]);
    expect(name).toMatch(/^[0-9-]+\.packets$/);
    const down: string[] = [];
    new FrameReader().push(await readFile(join(folder, name)), (packet) => down.push(Buffer.from(packet).toString()));
    expect(down).toEqual(['x', 'y']);
  });

  it('sets aside what is not packets, and goes on with the rest', async () => {
    await using drop = await openDrop({ fileBytesMax: 1000 });
    await leave(drop, '1.packets', Buffer.from('not packets'));
    await leave(drop, '2.packets', framed('sound').subarray(0, 7));
    await leave(drop, '3.packets', new Uint8Array(1001));
    await leave(drop, '4.packets', framed('last'));
    await drop.server.scan();
    expect(drop.packets).toEqual(['last']);
    expect((await readdir(join(drop.folder, 'quarantine'))).sort()).toEqual(
      ['1', '2', '3'].map((name) => `${id}-${name}.packets`),
    );
  });

  it('keeps a bounded number of bad files', async () => {
    await using drop = await openDrop({ quarantinedMax: 2 });
    for (const name of ['1', '2', '3', '4']) await leave(drop, `${name}.packets`, Buffer.from('bad, whatever it is'));
    await drop.server.scan();
    expect(await readdir(join(drop.folder, 'quarantine'))).toHaveLength(2);
    expect(await readdir(join(drop.folder, 'to-server', id))).toEqual([]);
  });

  it('follows no link, and takes no name that is not an id', async () => {
    await using drop = await openDrop();
    const secret = join(drop.outside, 'secret.packets');
    await writeFile(secret, framed('secret'));
    const folder = join(drop.folder, 'to-server', id);
    await mkdir(folder, { recursive: true });
    await symlink(secret, join(folder, 'link.packets'));
    await symlink(drop.outside, join(drop.folder, 'to-server', '0'.repeat(32)));
    await mkdir(join(folder, 'folder.packets'));
    await leave(drop, '1.packets', framed('x'), 'not-an-id');
    await leave(drop, 'no packets', framed('x'));
    await leave(drop, '..packets', framed('x'));
    await drop.server.scan();
    expect(drop.packets).toEqual([]);
    expect(await readFile(secret)).toEqual(Buffer.from(framed('secret')));
  });

  it('reads a bounded number of files at once, from a bounded number of carriers', async () => {
    await using drop = await openDrop({ filesPerScanMax: 2, carriersMax: 1 });
    for (const name of ['1', '2', '3']) await leave(drop, `${name}.packets`, framed(name));
    await leave(drop, '1.packets', framed('other'), 'cd'.repeat(16));
    await drop.server.scan();
    expect(drop.packets).toHaveLength(2);
    await drop.server.scan();
    expect(drop.packets).toEqual(['1', '2', '3']);
    expect(drop.carriers).toHaveLength(1);
  });

  it('is not writable while too many files lie unread, and again once they are fetched', async () => {
    await using drop = await openDrop({ unreadFilesMax: 1 });
    await leave(drop, '1.packets', framed('x'));
    await drop.server.scan();
    const [carrier] = drop.carriers;
    carrier?.send(Buffer.from('down'));
    await drop.server.scan();
    expect(carrier?.isWritable).toBe(false);
    const folder = join(drop.folder, 'to-agent', id);
    for (const name of await readdir(folder)) await rm(join(folder, name));
    await drop.server.scan();
    expect(carrier?.isWritable).toBe(true);
  });

  it('gives a carrier up that shows nothing new for days', async () => {
    await using drop = await openDrop({ idleMs: 10_000, scanMs: 1_000_000 });
    await leave(drop, '1.packets', framed('x'));
    await drop.server.scan();
    await drop.clock.advance(10_001);
    await drop.server.scan();
    expect(drop.ends).toEqual(['carrier-idle']);
  });
});
