import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createSeededRandom, createSystemClock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { framePackets } from '../../framing.ts';
import { CarrierError } from '../errors.ts';
import { dropFileBytesMax, dropFilesMax, openDrop } from './drop.ts';
import { recordingHandler } from './scripted-exchange.ts';

const deps = { clock: createSystemClock(), random: createSeededRandom(1) };
const id = 'ab'.repeat(16);

async function temporary() {
  const folder = await mkdtemp(path.join(tmpdir(), 'drop-'));
  return {
    folder,
    toAgent: path.join(folder, 'to-agent', id),
    toServer: path.join(folder, 'to-server', id),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
}

describe('a carrier of files', () => {
  it('sets bad files aside and takes the good ones, removing them', async () => {
    await using place = await temporary();
    await mkdir(place.toAgent, { recursive: true });
    await writeFile(path.join(place.toAgent, '1.packets'), framePackets([new Uint8Array(5)]).subarray(0, 7));
    await writeFile(path.join(place.toAgent, '2.packets'), new Uint8Array(dropFileBytesMax + 1));
    await writeFile(path.join(place.toAgent, '3.draft'), framePackets([new Uint8Array(5)]));
    await writeFile(path.join(place.toAgent, '4.packets'), framePackets([new Uint8Array(1), new Uint8Array(2)]));
    const carrier = await openDrop({ id, folder: place.folder, lookMs: 1 }, deps);
    const both = Promise.withResolvers<void>();
    const handler = recordingHandler();
    carrier.start({
      ...handler,
      onPacket(packet) {
        handler.onPacket(packet);
        if (handler.packets.length === 2) both.resolve();
      },
    });
    await both.promise;
    expect(handler.packets.map((packet) => packet.length)).toEqual([1, 2]);
    carrier.close(null);
    const left = (await readdir(place.toAgent)).sort();
    expect(left.filter((name) => name !== '4.packets')).toEqual(['1.packets.bad', '2.packets.bad', '3.draft']);
  });

  it('is not writable while too many of its files lie there', async () => {
    await using place = await temporary();
    await mkdir(place.toServer, { recursive: true });
    for (let index = 0; index < dropFilesMax; index += 1)
      await writeFile(path.join(place.toServer, `${index}.packets`), '');
    const carrier = await openDrop({ id, folder: place.folder, lookMs: 1 }, deps);
    const writable = Promise.withResolvers<void>();
    carrier.start({ ...recordingHandler(), onWritable: () => writable.resolve() });
    while (carrier.isWritable) await new Promise((resolve) => setImmediate(resolve));
    await rm(path.join(place.toServer, '0.packets'));
    await writable.promise;
    expect(carrier.isWritable).toBe(true);
    carrier.close(null);
  });

  it('says that the folder cannot be used', async () => {
    await using place = await temporary();
    const blocked = path.join(place.folder, 'file');
    await writeFile(blocked, '');
    await expect(openDrop({ id, folder: blocked }, deps)).rejects.toBeInstanceOf(CarrierError);
  });
});
