import { identify } from '@libp2p/identify';
import { type Startable, type Stream, StreamStateError } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { encodeFrame } from '@pulsemesh/wire';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, it } from 'vitest';
import { DescriptorMemory, encodeMessages } from '../codec.ts';
import { windowBytesHeld } from './frugal-window.ts';
import { InboundStream } from './inbound-stream.ts';

const protocol = '/test/1.0.0';
const eventFrame = encodeFrame(encodeMessages([{ kind: 'event', bytes: new Uint8Array(1_000), hops: 0 }]));

const running: Startable[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()));
});

async function startHost() {
  const host = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify() },
  });
  running.push(host);
  return host;
}

/** A sender's stream to a reader whose inbound stream is at hand, and how many events it has read. */
async function connect() {
  const [sender, reader] = [await startHost(), await startHost()];
  const accepted = Promise.withResolvers<InboundStream>();
  let read = 0;
  let updates = 0;
  let isClosing = false;
  await reader.handle(protocol, (stream, connection) => {
    const inner = stream as Stream & { sendFrame(frame: { type: number }): void }; // yamux' own
    const { sendFrame } = inner;
    const [, windowUpdate] = [0, 1]; // types of frames
    inner.sendFrame = (frame) => {
      if (frame.type === windowUpdate) updates += 1;
      if (isClosing) throw new StreamStateError('Cannot write to a stream that is closing');
      sendFrame.call(inner, frame);
    };
    const handlers = {
      onMessages: (messages: readonly unknown[]) => {
        read += messages.length;
      },
      onMalformed: () => {},
    };
    accepted.resolve(new InboundStream(stream, new DescriptorMemory(), handlers, connection.multiplexer));
  });
  const beginClosing = () => {
    isClosing = true;
  };
  const stream = await sender.dialProtocol(reader.getMultiaddrs(), protocol);
  return { stream, inbound: await accepted.promise, read: () => read, updates: () => updates, beginClosing };
}

async function send(stream: Stream, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 1) if (!stream.send(eventFrame)) await stream.onDrain();
}

describe('the window of a yamux stream', () => {
  it('is renewed every 64 KiB, not after each message, and never holds up the sender', async () => {
    const { stream, read, updates } = await connect();
    await send(stream, 2_000); // eight windows
    await expect.poll(read, { timeout: 10_000 }).toBe(2_000);
    expect(updates()).toBeLessThanOrEqual(2 + (2_000 * eventFrame.length) / windowBytesHeld);
  });

  it('is spared also after the reader paused, which still holds back the sender', async () => {
    const { stream, inbound, read, updates } = await connect();
    await send(stream, 10);
    await expect.poll(read).toBe(10);
    inbound.pause();
    const sending = send(stream, 1_000);
    inbound.resume();
    await sending;
    await expect.poll(read, { timeout: 10_000 }).toBe(1_010);
    expect(updates()).toBeLessThanOrEqual(4 + (1_010 * eventFrame.length) / windowBytesHeld);
  });

  it('that cannot be renewed any more, since the connection closes, ends nothing but itself: what was read counts', async () => {
    const { stream, inbound, read, updates, beginClosing } = await connect();
    await send(stream, 10);
    await expect.poll(read).toBe(10);
    beginClosing();
    const before = updates();
    await send(stream, 100); // more than is held, less than the window: what throws in a listener would end the process
    await expect.poll(read, { timeout: 10_000 }).toBe(110);
    expect(updates()).toBeGreaterThan(before);
    inbound.pause();
    inbound.resume();
    inbound.abort(new Error('the service stops'));
  });
});
