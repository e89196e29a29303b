import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { framePackets } from '../../framing.ts';
import { packetBytesMin } from './outbox.ts';
import { recordingHandler, ScriptedExchange } from './scripted-exchange.ts';
import { StreamCarrier } from './stream-carrier.ts';

async function open(transport: 'stream' | 'sse' = 'stream', packetBytesMax?: number) {
  const clock = new VirtualClock();
  const exchange = new ScriptedExchange();
  const size = packetBytesMax === undefined ? {} : { packetBytesMax };
  const carrier = new StreamCarrier(
    { transport, id: 'ab'.repeat(16), streamPath: '/stream', sendPath: '/send', exchange, ...size },
    { clock, random: createSeededRandom(1) },
  );
  const handler = recordingHandler();
  carrier.start(handler);
  await clock.advance(0);
  return { clock, exchange, carrier, handler, stream: exchange.last };
}

const packet = (length: number) => new Uint8Array(length).fill(7);

describe('a carrier of a stream and POSTs', () => {
  it('says nothing before the stream has begun, because the server does not know it yet', async () => {
    const { clock, exchange, carrier, stream } = await open();
    carrier.send(packet(3));
    await clock.advance(100);
    expect(exchange.posts.length).toBe(1);
    stream.head();
    await clock.advance(0);
    expect(exchange.last).toMatchObject({ path: '/send', body: framePackets([packet(3)]) });
  });

  it('makes one POST at a time where that is quick, and puts what comes meanwhile into the next', async () => {
    const { clock, exchange, carrier, handler, stream } = await open();
    stream.head();
    carrier.send(packet(1));
    await clock.advance(0);
    expect(carrier.isWritable).toBe(false);
    carrier.send(packet(2));
    carrier.send(packet(3));
    await clock.advance(1);
    expect(exchange.open).toBe(2);
    await exchange.last.answer(204);
    await clock.advance(0);
    expect(exchange.last.body).toEqual(framePackets([packet(2), packet(3)]));
    await exchange.last.answer(204);
    expect(handler.events).toContain('writable');
  });

  it('makes two at once where an answer takes long', async () => {
    const { clock, exchange, carrier, stream } = await open();
    stream.head();
    for (let post = 0; post < 3; post += 1) {
      carrier.send(packet(1));
      await clock.advance(100);
      await exchange.last.answer(204);
    }
    carrier.send(packet(1));
    await clock.advance(0);
    carrier.send(packet(2));
    await clock.advance(0);
    expect(exchange.open).toBe(3);
    expect(carrier.isWritable).toBe(false);
  });

  it('halves its packets where bodies are refused for their size, and ends at the least', async () => {
    const { clock, exchange, carrier, handler, stream } = await open('stream', packetBytesMin * 2);
    stream.head();
    carrier.send(packet(packetBytesMin * 2));
    await clock.advance(0);
    await exchange.last.answer(413);
    expect(carrier.packetBytesMax).toBe(packetBytesMin);
    expect(handler.events).toContain('writable');
    carrier.send(packet(100));
    await clock.advance(0);
    await exchange.last.answer(413);
    expect(handler.events.at(-1)).toBe('closed too-large');
  });

  it('sends again what failed, with growing pauses, and ends after six failures in a row', async () => {
    const { clock, exchange, carrier, handler, stream } = await open();
    stream.head();
    carrier.send(packet(4));
    let posts = 0;
    for (; posts < 20 && !handler.events.some((event) => event.startsWith('closed')); posts += 1) {
      await clock.advance(5_000);
      expect(exchange.last.body).toEqual(framePackets([packet(4)]));
      await exchange.last.answer(502);
    }
    expect(posts).toBe(7);
    expect(handler.events.filter((event) => event === 'lost').length).toBe(7);
  });

  it('waits as long as a busy server asks', async () => {
    const { clock, exchange, carrier, stream } = await open();
    stream.head();
    carrier.send(packet(4));
    await clock.advance(0);
    await exchange.last.answer(503, 2_000);
    await clock.advance(1_990);
    expect(exchange.posts.length).toBe(2);
    await clock.advance(20);
    expect(exchange.posts.length).toBe(3);
  });

  it('is over when the stream ends, is refused, or is something else', async () => {
    const ended = await open();
    ended.stream.head();
    await ended.clock.advance(10_000);
    await ended.stream.answer(200);
    expect(ended.handler.events).toEqual(['closed cut']);
    const refused = await open();
    await refused.stream.answer(503, 1_000);
    expect(refused.handler.events).toEqual(['closed http-status']);
    const other = await open('sse');
    other.stream.data(new TextEncoder().encode('data: not base64!\n\n'));
    expect(other.handler.events).toEqual(['closed protocol']);
    expect(other.exchange.isClosed).toBe(true);
  });

  it('gives the packets of events', async () => {
    const { handler, stream } = await open('sse');
    stream.data(new TextEncoder().encode(`: open\n\ndata: ${Buffer.from(packet(6)).toString('base64')}\n\n`));
    expect(handler.packets).toEqual([packet(6)]);
  });
});
