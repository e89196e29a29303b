import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { framePackets } from '../../framing.ts';
import { packetBytesMaxDefault } from './base-carrier.ts';
import { packetBytesMin } from './outbox.ts';
import { PollCarrier, type PollOptions } from './poll-carrier.ts';
import { recordingHandler, ScriptedExchange } from './scripted-exchange.ts';

async function open(options: Partial<PollOptions> = {}) {
  const clock = new VirtualClock();
  const exchange = new ScriptedExchange();
  const carrier = new PollCarrier(
    { transport: 'long-poll', id: 'ab'.repeat(16), path: '/poll?wait=', exchange, ...options },
    { clock, random: createSeededRandom(1) },
  );
  const handler = recordingHandler();
  carrier.start(handler);
  await clock.advance(0);
  return { clock, exchange, carrier, handler };
}

const packet = (length: number) => new Uint8Array(length).fill(7);

describe('a carrier of polls', () => {
  it('takes what it is given in the turn of its start along with the first poll', async () => {
    const clock = new VirtualClock();
    const exchange = new ScriptedExchange();
    const deps = { clock, random: createSeededRandom(1) };
    const carrier = new PollCarrier(
      { transport: 'long-poll', id: 'ab'.repeat(16), path: '/poll?wait=', exchange },
      deps,
    );
    carrier.start(recordingHandler());
    carrier.send(packet(3));
    await clock.advance(0);
    expect(exchange.posts.length).toBe(1);
    expect(exchange.last.body).toEqual(framePackets([packet(3)]));
  });

  it('asks again when answered, and sends beside the poll that waits', async () => {
    const { clock, exchange, carrier, handler } = await open();
    expect(exchange.last.path).toBe('/poll?wait=25000');
    exchange.last.data(framePackets([packet(2)]));
    await exchange.last.answer(200);
    expect(handler.packets).toEqual([packet(2)]);
    await clock.advance(0);
    carrier.send(packet(5));
    await clock.advance(0);
    expect(exchange.open).toBe(2);
    expect(carrier.isWritable).toBe(false);
    await exchange.posts[1]?.answer(200);
    expect(carrier.isWritable).toBe(true);
    await clock.advance(0);
    expect(exchange.open).toBe(1);
  });

  it('waits half as long as a box lets it, and says so', async () => {
    const { clock, exchange, carrier, handler } = await open();
    await exchange.last.answer(200);
    await clock.advance(150);
    await exchange.last.answer(504);
    expect(carrier.pollWaitMs).toBe(75);
    expect(handler.events).toContain('lost');
    await clock.advance(0);
    expect(exchange.last.path).toBe('/poll?wait=75');
    expect(carrier.transport).toBe('long-poll');
  });

  it('becomes a short poll where nothing may wait, slower while nothing happens', async () => {
    const { clock, exchange, carrier } = await open({ pollWaitMs: 100 });
    await exchange.last.answer(200);
    await clock.advance(1_000);
    // Cut twice, each time as late as it was to wait.
    await exchange.last.answer(504);
    await clock.advance(110);
    await exchange.last.answer(502);
    expect(carrier.transport).toBe('short-poll');
    const gaps: number[] = [];
    for (let poll = 0; poll < 20; poll += 1) {
      await clock.advance(0);
      const count = exchange.posts.length;
      await exchange.last.answer(200);
      let gapMs = 0;
      for (; exchange.posts.length === count; gapMs += 10) await clock.advance(10);
      gaps.push(gapMs);
    }
    expect(gaps[0]).toBeLessThanOrEqual(40);
    expect(gaps.at(-1)).toBe(1_000);
    const waiting = exchange.last;
    carrier.send(packet(1));
    await clock.advance(0);
    expect(exchange.last.body).toEqual(framePackets([packet(1)]));
    await waiting.answer(200);
  });

  it('halves its packets where bodies are refused for their size, drops the one too long, and says there is room', async () => {
    const { clock, exchange, carrier, handler } = await open();
    await exchange.last.answer(200);
    await clock.advance(0);
    const refused: number[] = [];
    while (carrier.packetBytesMax > 60_000) {
      carrier.send(packet(carrier.packetBytesMax));
      await clock.advance(0);
      refused.push(exchange.last.body.length);
      await exchange.last.answer(413);
      await clock.advance(0);
    }
    expect(refused[0]).toBe(packetBytesMaxDefault + 5);
    expect(carrier.packetBytesMax).toBeLessThan(60_000);
    expect(handler.events).toContain('writable');
    const count = exchange.posts.length;
    carrier.send(packet(carrier.packetBytesMax + 1));
    await clock.advance(0);
    expect(exchange.posts.length).toBe(count);
    carrier.send(packet(carrier.packetBytesMax));
    await clock.advance(0);
    expect(exchange.last.body.length).toBe(carrier.packetBytesMax + 5);
  });

  it('ends where even the shortest bodies are refused', async () => {
    const { clock, exchange, carrier, handler } = await open({ packetBytesMax: packetBytesMin });
    await exchange.last.answer(200);
    await clock.advance(0);
    carrier.send(packet(100));
    await clock.advance(0);
    await exchange.last.answer(413);
    expect(handler.events.at(-1)).toBe('closed too-large');
    expect(exchange.isClosed).toBe(true);
    expect(carrier.isWritable).toBe(false);
  });

  it('keeps what it was to say while the server is busy, for as long as that asks', async () => {
    const { clock, exchange, carrier, handler } = await open();
    await exchange.last.answer(200);
    await clock.advance(0);
    carrier.send(packet(9));
    await clock.advance(0);
    const count = exchange.posts.length;
    await exchange.last.answer(503, 4_000);
    await exchange.posts.at(-2)?.answer(503, 4_000);
    await clock.advance(3_990);
    expect(exchange.posts.length).toBe(count);
    await clock.advance(20);
    expect(exchange.last.body).toEqual(framePackets([packet(9)]));
    expect(handler.events).not.toContain('closed http-status');
  });

  it('tries again with growing pauses, and ends after six failures in a row', async () => {
    const { clock, exchange, handler } = await open();
    await exchange.last.answer(200);
    let posts = 0;
    for (; posts < 20 && !handler.events.some((event) => event.startsWith('closed')); posts += 1) {
      await clock.advance(5_000);
      await exchange.last.fail(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    }
    expect(posts).toBe(7);
    expect(handler.events.at(-1)).toBe('closed connect-failed');
    await clock.advance(60_000);
    expect(exchange.open).toBe(0);
  });

  it('ends at once when its first request fails, so that the race goes on', async () => {
    const { exchange, handler } = await open();
    await exchange.last.answer(404);
    expect(handler.events).toEqual(['closed http-status']);
  });

  it('ends when what answers is not the link', async () => {
    const { exchange, handler } = await open();
    exchange.last.data(new TextEncoder().encode('<html>Blocked by your administrator</html>'));
    expect(handler.events).toEqual(['closed protocol']);
  });

  it('sets no timer and makes no request after it was closed', async () => {
    const { clock, exchange, carrier } = await open({ transport: 'short-poll' });
    await exchange.last.answer(200);
    await clock.advance(0);
    carrier.close(null);
    carrier.send(packet(1));
    await clock.advance(10_000);
    expect(exchange.posts.length).toBe(1);
    expect(clock.pendingCount).toBe(0);
  });
});
