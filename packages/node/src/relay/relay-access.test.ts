import { Condition } from '@pulsemesh/base';
import type { LinkStream } from '@pulsemesh/link';
import type { ByteStream, ByteStreamHandler } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { LinkByteStream } from './link-byte-stream.ts';
import { RelayAccess, type RelayConnection } from './relay-access.ts';

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

  it('gives the first message to whoever wants it apart, and breaks where that refuses it', () => {
    const fake = fakeStream();
    const firsts: string[] = [];
    const bytes = new LinkByteStream(fake.stream, (message) => firsts.push(message.join()));
    fake.give(Uint8Array.of(1, 2));
    fake.give(Uint8Array.of(3));
    const { heard, handler } = recorder();
    bytes.start(handler);
    expect([firsts, heard, fake.did]).toEqual([['1,2'], ['data 3'], ['hold', 'release 2', 'release 1']]);
    const refused = fakeStream();
    new LinkByteStream(refused.stream, () => {
      throw new Condition('malformed', 'no');
    });
    refused.give(Uint8Array.of(1));
    expect(refused.did.at(-1)).toBe('abort malformed');
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
    let onStream: (stream: ByteStream, from: PeerId) => void = () => {};
    const opened = fakeStream();
    const state = { isUp: true, isThere: true };
    const connection: RelayConnection = {
      peerId: relay,
      get isUp() {
        return state.isUp;
      },
      async open() {
        if (!state.isThere) throw new Condition('not-online', 'the peer is not there', { retryable: true });
        return new LinkByteStream(opened.stream);
      },
      serve(handler) {
        onStream = handler;
        return { [Symbol.dispose]: () => {} };
      },
      onChange: () => ({ [Symbol.dispose]: () => {} }),
    };
    const made = new RelayAccess([connection]);
    const taken: [PeerId, PeerId, ByteStream][] = [];
    made.listen((stream, from, via) => taken.push([from, via, stream]));
    return { made, opened, state, taken, come: (stream: ByteStream, from: PeerId) => onStream(stream, from) };
  }

  it('opens streams through the relay that is named, while it is up and the peer is there', async () => {
    const { made, opened, state } = access();
    (await made.dial(relay, caller)).send(Uint8Array.of(1));
    expect(opened.wrote).toEqual([Uint8Array.of(1)]);
    const unreachable = { code: 'peer-unreachable', retryable: true };
    await expect(made.dial(caller, caller)).rejects.toMatchObject(unreachable);
    state.isThere = false;
    await expect(made.dial(relay, caller)).rejects.toMatchObject(unreachable);
    state.isUp = false;
    expect(made.relays()).toEqual([{ peerId: relay, isUp: false }]);
    await expect(made.dial(relay, caller)).rejects.toMatchObject(unreachable);
  });

  it('takes streams of others, and keeps what comes before they are listened to', () => {
    const { taken, come } = access();
    const fake = fakeStream();
    come(new LinkByteStream(fake.stream), caller);
    fake.give(Uint8Array.of(7));
    expect(taken.map(([from, via]) => [from, via])).toEqual([[caller, relay]]);
    const { heard, handler } = recorder();
    taken[0]?.[2].start(handler);
    expect(heard).toEqual(['data 7']);
  });
});
