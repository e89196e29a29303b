import { Condition, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { LinkStream } from '@pulsemesh/link';
import type { ByteStream, ByteStreamHandler } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { LinkByteStream } from './link-byte-stream.ts';
import { callLimits, RelayAccess, type RelayConnection } from './relay-access.ts';

const relay = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA' as PeerId;
const caller = '12D3KooWAtp8AcKbMmzn17cYyRJPT3BDkQzjLvKaSCLvuCuXpHdy' as PeerId;

/** One end of a link stream, whose other end is the test. */
function fakeStream() {
  const did: string[] = [];
  const wrote: Uint8Array[] = [];
  let give: (message: Uint8Array | null) => void = () => {};
  let breakIt: (reason: Condition) => void = () => {};
  let drain: () => void = () => {};
  const state = { hasRoom: true, isClosed: false };
  const stream: Partial<LinkStream> = {
    write(message) {
      if (state.isClosed) throw new Condition('stream-closed', 'closed');
      wrote.push(message);
      return state.hasRoom;
    },
    onDrain(handler) {
      drain = handler;
    },
    consume(handler, onBroken) {
      give = handler;
      breakIt = onBroken;
    },
    hold: () => void did.push('hold'),
    release: (bytes) => void did.push(`release ${bytes}`),
    end: () => void did.push('end'),
    abort: (reason) => void did.push(`abort ${reason.code}`),
  };
  return {
    stream: stream as LinkStream, // all that is used of it
    did,
    wrote,
    state,
    give: (message: Uint8Array | null) => give(message),
    breakIt: (reason: Condition) => breakIt(reason),
    drain: () => drain(),
  };
}

function recorder() {
  const heard: string[] = [];
  const handler: ByteStreamHandler = {
    onData: (bytes) => void heard.push(`data ${bytes.join()}`),
    onDrain: () => void heard.push('drain'),
    onEnd: () => void heard.push('end'),
    onClosed: (reason) => void heard.push(`closed ${reason?.code ?? 'well'}`),
  };
  return { heard, handler };
}

describe('a link stream as bytes', () => {
  it('gives back credit for what was handed on, and only for that', () => {
    const fake = fakeStream();
    const bytes = new LinkByteStream(fake.stream);
    fake.give(Uint8Array.of(1, 2));
    expect(fake.did).toEqual(['hold']);
    const { heard, handler } = recorder();
    bytes.start(handler);
    bytes.pause();
    fake.give(Uint8Array.of(3));
    expect(fake.did).toEqual(['hold', 'release 2']);
    bytes.resume();
    expect(heard).toEqual(['data 1,2', 'data 3']);
    expect(fake.did).toEqual(['hold', 'release 2', 'release 1']);
  });

  it('is over when both ends have ended it, in either order', () => {
    for (const order of ['we first', 'they first']) {
      const fake = fakeStream();
      const bytes = new LinkByteStream(fake.stream);
      const { heard, handler } = recorder();
      bytes.start(handler);
      if (order === 'we first') bytes.end();
      fake.give(null);
      if (order === 'they first') bytes.end();
      bytes.end();
      expect(heard).toEqual(['end', 'closed well']);
      expect(fake.did).toEqual(['hold', 'end']);
    }
  });

  it('tells of a break, also to who starts later, and then takes nothing', () => {
    const fake = fakeStream();
    const bytes = new LinkByteStream(fake.stream);
    fake.breakIt(new Condition('session-lost', 'lost'));
    const { heard, handler } = recorder();
    bytes.start(handler);
    expect(heard).toEqual(['closed session-lost']);
    expect(bytes.send(Uint8Array.of(1))).toBe(true);
    expect(fake.wrote).toEqual([]);
  });

  it('passes on room and the want of it', () => {
    const fake = fakeStream();
    const bytes = new LinkByteStream(fake.stream);
    const { heard, handler } = recorder();
    bytes.start(handler);
    fake.state.hasRoom = false;
    expect(bytes.send(Uint8Array.of(1))).toBe(false);
    fake.drain();
    expect(heard).toEqual(['drain']);
    fake.state.isClosed = true;
    expect(bytes.send(Uint8Array.of(2))).toBe(true);
  });
});

describe('access to peers through relays', () => {
  function access() {
    let onStream: (stream: LinkStream) => void = () => {};
    const opened = fakeStream();
    const connection: RelayConnection = {
      peerId: relay,
      isUp: true,
      open: async () => opened.stream,
      serve(handler) {
        onStream = handler;
        return { [Symbol.dispose]: () => {} };
      },
      onChange: () => ({ [Symbol.dispose]: () => {} }),
    };
    const clock = new VirtualClock();
    const made = new RelayAccess(caller, [connection], { clock, logger: silentLogger });
    const taken: [PeerId, PeerId, ByteStream][] = [];
    made.listen((stream, from, via) => taken.push([from, via, stream]));
    return { made, opened, clock, taken, come: (stream: LinkStream) => onStream(stream) };
  }

  it('says who calls in the first message', async () => {
    const { made, opened } = access();
    await made.dial(relay, caller);
    expect(new TextDecoder().decode(opened.wrote[0])).toBe(caller);
    await expect(made.dial(caller, caller)).rejects.toMatchObject({ code: 'peer-unreachable' });
  });

  it('takes a stream whose caller has said who it is, and keeps what follows', async () => {
    const { taken, come } = access();
    const fake = fakeStream();
    come(fake.stream);
    fake.give(new TextEncoder().encode(caller));
    fake.give(Uint8Array.of(7));
    await expect.poll(() => taken.map(([from, via]) => [from, via])).toEqual([[caller, relay]]);
    const { heard, handler } = recorder();
    taken[0]?.[2].start(handler);
    expect(heard).toEqual(['data 7']);
  });

  it.each([
    ['no peer id', (fake: ReturnType<typeof fakeStream>) => fake.give(Uint8Array.of(1, 2, 3))],
    ['more than a peer id', (fake: ReturnType<typeof fakeStream>) => fake.give(new Uint8Array(1_000).fill(65))],
    ['nothing', (fake: ReturnType<typeof fakeStream>) => fake.give(null)],
  ])('refuses a stream whose caller says %s', async (_what, act) => {
    const { taken, come } = access();
    const fake = fakeStream();
    come(fake.stream);
    act(fake);
    await expect.poll(() => fake.did.at(-1)).toMatch(/^abort/);
    expect(taken).toEqual([]);
  });

  it('gives a caller that says nothing up after a while', async () => {
    const { clock, come } = access();
    const fake = fakeStream();
    come(fake.stream);
    await clock.advance(callLimits.nameMs);
    await expect.poll(() => fake.did.at(-1)).toBe('abort timeout');
  });
});
