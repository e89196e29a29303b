import { Condition } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { BaseCarrier, earlyPacketsMax } from './base-carrier.ts';
import { parseRetryAfter, retryAfterMsMax } from './http-exchange.ts';
import { recordingHandler } from './scripted-exchange.ts';

class PlainCarrier extends BaseCarrier {
  readonly transport = 'stream';
  readonly packetBytesMax = 10;
  readonly connection = {};
  readonly sent: Uint8Array[] = [];
  released = 0;

  protected hasRoom(): boolean {
    return true;
  }

  protected transmit(packet: Uint8Array): void {
    this.sent.push(packet);
  }

  protected release(): void {
    this.released += 1;
  }

  arrive(packet: Uint8Array): void {
    this.deliver(packet);
  }
}

describe('every client carrier', () => {
  it('keeps what comes before its start, up to a limit, and then ends', () => {
    const carrier = new PlainCarrier('ab'.repeat(16));
    for (let index = 0; index < earlyPacketsMax; index += 1) carrier.arrive(new Uint8Array([index & 0xff]));
    expect(carrier.isClosed).toBe(false);
    const other = new PlainCarrier('cd'.repeat(16));
    for (let index = 0; index <= earlyPacketsMax; index += 1) other.arrive(new Uint8Array(1));
    expect(other.isClosed).toBe(true);
    const handler = recordingHandler();
    carrier.start(handler);
    expect(handler.packets.length).toBe(earlyPacketsMax);
    const late = recordingHandler();
    other.start(late);
    expect(late.events).toEqual(['closed protocol']);
  });

  it('drops a packet that is too long, and everything after its end', () => {
    const carrier = new PlainCarrier('ab'.repeat(16));
    const handler = recordingHandler();
    carrier.start(handler);
    carrier.send(new Uint8Array(11));
    carrier.send(new Uint8Array(10));
    carrier.close(new Condition('test', 'over'));
    carrier.close(null);
    carrier.send(new Uint8Array(1));
    carrier.arrive(new Uint8Array(1));
    expect(carrier.sent).toEqual([new Uint8Array(10)]);
    expect(handler.packets).toEqual([]);
    expect(handler.events).toEqual(['closed test']);
    expect(carrier.released).toBe(1);
  });
});

describe('the wait a server asks for', () => {
  it('is read where it is a number of seconds, and bounded', () => {
    expect(parseRetryAfter('3')).toBe(3_000);
    expect(parseRetryAfter('999999999')).toBe(retryAfterMsMax);
    for (const other of [null, undefined, '', '-1', '1.5', 'Fri, 31 Dec 1999 23:59:59 GMT', '9'.repeat(10)]) {
      expect(parseRetryAfter(other)).toBeNull();
    }
  });
});
