import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { framePackets } from '../../framing.ts';
import { recordingHandler, ScriptedExchange, type ScriptedUpload } from './scripted-exchange.ts';
import { StreamCarrier } from './stream-carrier.ts';
import { knockAgainMs, postsBeforeUpload } from './uplink.ts';
import { knockMsMax, uploadLookMs, uploadLooksMax } from './upload-lane.ts';

const packet = (length: number) => new Uint8Array(length).fill(7);
const knock = [...framePackets([packet(0)])];

/** A stream carrier that has made so many POSTs in a second that it knocks. */
async function openBusy() {
  const clock = new VirtualClock();
  const exchange = new ScriptedExchange();
  const paths = { streamPath: '/stream', sendPath: '/send', uploadPath: '/upload' };
  const carrier = new StreamCarrier(
    { transport: 'stream', id: 'ab'.repeat(16), ...paths, exchange },
    { clock, random: createSeededRandom(1) },
  );
  const handler = recordingHandler();
  carrier.start(handler);
  await clock.advance(0);
  const stream = exchange.last;
  stream.head();
  const post = async () => {
    carrier.send(packet(1));
    await clock.advance(0);
    await exchange.last.answer(204);
  };
  for (let count = 0; count < postsBeforeUpload; count += 1) await post();
  const answerKnock = () => stream.data(framePackets([packet(0)]));
  return { clock, exchange, carrier, handler, post, answerKnock, upload: exchange.uploads[0] as ScriptedUpload };
}

describe('a body that goes on', () => {
  it('is not begun for a few POSTs in a while', async () => {
    const { clock, exchange, post, upload, answerKnock } = await openBusy();
    answerKnock();
    await clock.advance(2 * uploadLookMs);
    await upload.answer(204);
    for (let count = 0; count < 3 * postsBeforeUpload; count += 1) {
      await post();
      await clock.advance(100);
    }
    expect(exchange.uploads.length).toBe(1);
  });

  it('holds nothing but a knock until that is answered; POSTs go on meanwhile', async () => {
    const { exchange, carrier, clock, post, answerKnock, upload, handler } = await openBusy();
    expect([upload.path, upload.bytes]).toEqual(['/upload', knock]);
    await post();
    expect(upload.bytes).toEqual(knock);
    const posts = exchange.posts.length;
    answerKnock();
    carrier.send(packet(2));
    carrier.send(packet(3));
    await clock.advance(0);
    expect(exchange.posts.length).toBe(posts);
    expect(upload.bytes).toEqual([...knock, ...framePackets([packet(2), packet(3)])]);
    expect(handler.packets).toEqual([]);
  });

  it('is given up for a while where the knock is not answered in time, without a loss, each time for longer', async () => {
    const { clock, exchange, post, upload, handler, answerKnock } = await openBusy();
    await clock.advance(knockMsMax);
    expect(upload.state).toBe('cut');
    answerKnock();
    const isTriedAfter = async (ms: number) => {
      await clock.advance(ms);
      const before = exchange.uploads.length;
      for (let count = 0; count < 2 * postsBeforeUpload; count += 1) await post();
      return exchange.uploads.length > before;
    };
    expect(await isTriedAfter(knockAgainMs - 1)).toBe(false);
    expect(await isTriedAfter(1)).toBe(true);
    await clock.advance(knockMsMax);
    expect(await isTriedAfter(2 * knockAgainMs - 1)).toBe(false);
    expect(await isTriedAfter(1)).toBe(true);
    expect(handler.events).not.toContain('lost');
  });

  it('that is cut or refused in the middle is a loss; POSTs go on, and it is not tried again', async () => {
    for (const end of [
      (upload: ScriptedUpload) => upload.fail(new Error('cut')),
      (upload: ScriptedUpload) => upload.answer(413),
      (upload: ScriptedUpload) => upload.answer(204),
    ]) {
      const { clock, exchange, carrier, post, upload, handler, answerKnock } = await openBusy();
      answerKnock();
      carrier.send(packet(2));
      await clock.advance(0);
      await end(upload);
      expect(handler.events).toContain('lost');
      for (let count = 0; count < 2 * postsBeforeUpload; count += 1) await post();
      await clock.advance(100 * knockAgainMs);
      for (let count = 0; count < 2 * postsBeforeUpload; count += 1) await post();
      expect(exchange.uploads.length).toBe(1);
      carrier.send(packet(5));
      await clock.advance(0);
      expect(exchange.last.body).toEqual(framePackets([packet(5)]));
    }
  });

  it('ends after a while without use, and in time for the limits of servers and boxes', async () => {
    const { clock, carrier, upload, handler, answerKnock } = await openBusy();
    answerKnock();
    let seconds = 0;
    for (; upload.state === 'open' && seconds < 100; seconds += 1) {
      carrier.send(packet(1));
      await clock.advance(uploadLookMs);
    }
    expect([seconds, upload.state]).toEqual([uploadLooksMax, 'ended']);
    await upload.answer(204);
    expect(handler.events).not.toContain('lost');
    expect(carrier.isWritable).toBe(true);
  });

  it('whose end is not answered is a loss', async () => {
    const { clock, carrier, upload, handler, answerKnock } = await openBusy();
    answerKnock();
    carrier.send(packet(1));
    await clock.advance(60_000);
    expect(upload.state).toBe('cut');
    expect(handler.events).toContain('lost');
  });

  it('has no room while the connection takes nothing', async () => {
    const { carrier, upload, handler, answerKnock } = await openBusy();
    answerKnock();
    upload.hasRoom = false;
    expect(carrier.isWritable).toBe(false);
    const before = handler.events.length;
    upload.hasRoom = true;
    upload.drain();
    expect(handler.events.slice(before)).toEqual(['writable']);
  });

  it('is cut with its carrier', async () => {
    const { clock, carrier, upload, handler } = await openBusy();
    carrier.close(null);
    await clock.advance(60_000);
    expect([upload.state, handler.events.at(-1)]).toEqual(['cut', 'closed in order']);
  });
});
