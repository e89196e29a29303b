import { describe, expect, it } from 'vitest';
import { bufferedBytesMax, packetBytesMaxDefault } from './base-carrier.ts';
import { Outbox, packetBytesMin } from './outbox.ts';

describe('the outbox of a carrier of POSTs', () => {
  it('puts as many packets into a body as it may hold, in order', () => {
    const outbox = new Outbox({ packetBytesMax: 10_000 });
    const packets = [4_000, 4_000, 4_000].map((length, index) => new Uint8Array(length).fill(index));
    for (const packet of packets) outbox.push(packet);
    expect(outbox.take().packets).toEqual(packets.slice(0, 2));
    expect(outbox.take().packets).toEqual(packets.slice(2));
    expect(outbox.take().packets).toEqual([]);
  });

  it('halves its limit down to the least one, and drops what is too long for it', () => {
    const outbox = new Outbox();
    let limit = outbox.packetBytesMax;
    expect(limit).toBe(packetBytesMaxDefault);
    for (;;) {
      outbox.push(new Uint8Array(outbox.packetBytesMax));
      if (!outbox.shrink(outbox.take())) break;
      expect(outbox.packetBytesMax).toBeLessThan(limit);
      expect(outbox.isEmpty).toBe(true);
      limit = outbox.packetBytesMax;
    }
    expect(limit).toBe(packetBytesMin);
  });

  it('goes below what was refused at once where that was far below the limit', () => {
    const outbox = new Outbox();
    outbox.push(new Uint8Array(60_000));
    expect(outbox.shrink(outbox.take())).toBe(true);
    expect(outbox.packetBytesMax).toBeLessThanOrEqual(30_005);
  });

  it('gives back what failed, before what came since', () => {
    const outbox = new Outbox();
    outbox.push(new Uint8Array([1]));
    const body = outbox.take();
    outbox.push(new Uint8Array([2]));
    outbox.giveBack(body);
    expect(outbox.take().packets).toEqual([new Uint8Array([1]), new Uint8Array([2])]);
  });

  it('drops the packet past its capacity and keeps the others', () => {
    const outbox = new Outbox();
    const packets = Array.from({ length: bufferedBytesMax / 1024 }, () => new Uint8Array(1024));
    for (const packet of packets) outbox.push(packet);
    expect(outbox.hasRoom).toBe(false);
    outbox.push(new Uint8Array([9]));
    let taken = 0;
    while (!outbox.isEmpty) taken += outbox.take().packets.length;
    expect(taken).toBe(packets.length);
  });
});
