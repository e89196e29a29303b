import type { Logger } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { Condition } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import type { ByteStream, ByteStreamHandler } from '../relayed-streams.ts';
import { RelayedConnection, relayedConnectionLimits } from './relayed-connection.ts';

/** A stream whose other end is the test. */
class FakeStream implements ByteStream {
  readonly did: string[] = [];
  handler: ByteStreamHandler | undefined;
  hasRoom = true;
  start(handler: ByteStreamHandler): void {
    this.handler = handler;
  }
  send(bytes: Uint8Array): boolean {
    this.did.push(`send ${bytes.byteLength}`);
    return this.hasRoom;
  }
  pause(): void {
    this.did.push('pause');
  }
  resume(): void {
    this.did.push('resume');
  }
  end(): void {
    this.did.push('end');
  }
  abort(reason: Condition): void {
    this.did.push(`abort ${reason.code}`);
    this.handler?.onClosed(reason);
  }
}

const log: Logger = Object.assign(() => {}, {
  enabled: false,
  error: () => {},
  trace: () => {},
  newScope: () => log,
});

function connect() {
  const clock = new VirtualClock();
  const stream = new FakeStream();
  const remoteAddr = multiaddr('/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA/p2p-circuit');
  const connection = new RelayedConnection({ stream, clock, log, remoteAddr, direction: 'outbound' });
  return { clock, stream, connection };
}

describe('a relayed connection', () => {
  it('sends in pieces, and waits while the stream has no room', async () => {
    const { stream, connection } = connect();
    stream.hasRoom = false;
    const { pieceBytesMax } = relayedConnectionLimits;
    expect(connection.send(new Uint8Array(pieceBytesMax + 1))).toBe(false);
    expect(stream.did).toEqual([`send ${pieceBytesMax}`]);
    stream.hasRoom = true;
    stream.handler?.onDrain();
    await Promise.resolve();
    expect(stream.did).toEqual([`send ${pieceBytesMax}`, 'send 1']);
  });

  it('passes a pause on', () => {
    const { stream, connection } = connect();
    connection.pause();
    connection.resume();
    expect(stream.did).toEqual(['pause', 'resume']);
  });

  it('ends when the other end has ended, and keeps what came before', () => {
    const { stream, connection } = connect();
    stream.handler?.onData(Uint8Array.of(1));
    stream.handler?.onEnd();
    expect(stream.did).toEqual(['end']);
    expect(connection.status).toBe('closed');
    expect(connection.readBufferLength).toBe(1);
  });

  it('breaks with the stream', () => {
    const { stream, connection } = connect();
    stream.handler?.onClosed(new Condition('session-lost', 'lost'));
    expect(connection.status).toBe('aborted');
  });

  it('breaks a stream whose other end does not end', async () => {
    const { clock, stream, connection } = connect();
    await connection.close();
    expect(stream.did).toEqual(['end']);
    await clock.advance(relayedConnectionLimits.lingerMs);
    expect(stream.did).toEqual(['end', 'abort connection-broken']);
  });

  it('does not linger where the other end has ended', async () => {
    const { clock, stream, connection } = connect();
    await connection.close();
    stream.handler?.onClosed(null);
    await clock.advance(relayedConnectionLimits.lingerMs);
    expect(stream.did).toEqual(['end']);
  });
});
