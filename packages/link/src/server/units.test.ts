import { PassThrough, Writable } from 'node:stream';
import { VirtualClock } from '@pulsemesh/base/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CarrierEvents } from './carrier-events.ts';
import { createAddressJudge, limitKey, plainAddress, TrustedProxyError } from './client-address.ts';
import { addressesMax, ConnectionGuard } from './connection-guard.ts';
import { silentHandler } from './harness.ts';
import { linkServerLimits } from './limits.ts';
import { refusalBody, refusals } from './refusal.ts';
import { TickWriter } from './tick-writer.ts';

describe('client addresses', () => {
  it('are counted by address, in IPv6 by the /64', () => {
    expect(limitKey('192.0.2.1')).toBe('192.0.2.1');
    expect(limitKey('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2');
    expect(limitKey('2001:db8:1:2::9')).toBe('2001:db8:1:2');
    expect(limitKey('2001:0db8::1')).toBe('2001:db8:0:0');
    expect(limitKey('::1')).toBe('0:0:0:0');
    expect(limitKey('fe80::1%eth0')).toBe('fe80:0:0:0');
    expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  });

  it('of trusted proxies are networks or addresses, anything else is refused', () => {
    const judge = createAddressJudge(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']);
    expect(
      ['10.9.9.9', '192.0.2.1', '2001:db8::1', '192.0.2.2', '::1'].map((each) => judge.isTrustedProxy(each)),
    ).toEqual([true, true, true, false, false]);
    for (const bad of [
      '',
      'example.org',
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '::/129',
      '10.0.0.0/a',
    ]) {
      expect(() => createAddressJudge([bad]), bad).toThrow(TrustedProxyError);
    }
  });

  it('are never taken from a header by anybody else', () => {
    const judge = createAddressJudge(['10.0.0.0/8']);
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('192.0.2.1', '::1', '11.0.0.1'), (header, address) => {
        expect(judge.clientAddress(address, header)).toBe(address);
      }),
    );
  });
});

describe('the guard of connections', () => {
  const limits = {
    ...linkServerLimits,
    connectionsMax: 5,
    connectionsPerAddressMax: 2,
    connectionsPerAddressBurst: 3,
    connectionsPerAddressPerSecond: 1,
    connectionsBurst: 100,
  };

  it('limits how many one address has, how fast it comes, and how many there are', async () => {
    const clock = new VirtualClock();
    const guard = new ConnectionGuard(limits, { clock });
    expect([guard.enter('a', false), guard.enter('a', false), guard.enter('a', false)]).toEqual([
      null,
      null,
      'address',
    ]);
    guard.leave('a', false);
    expect(guard.enter('a', false)).toBeNull();
    guard.leave('a', false);
    expect(guard.enter('a', false)).toBe('rate');
    await clock.advance(1000);
    expect(guard.enter('a', false)).toBeNull();
    expect([guard.enter('b', false), guard.enter('c', false), guard.enter('d', false)]).toEqual([null, null, null]);
    expect(guard.enter('e', false)).toBe('full');
  });

  it('limits handshakes of everybody together, and lets trusted proxies have many', () => {
    const guard = new ConnectionGuard(
      { ...limits, connectionsMax: 1000, connectionsBurst: 10 },
      { clock: new VirtualClock() },
    );
    for (let count = 0; count < 10; count += 1) expect(guard.enter('proxy', true)).toBeNull();
    expect(guard.enter('proxy', true)).toBe('rate');
    expect(guard.enter('other', false)).toBe('rate');
  });

  it('remembers a bounded number of addresses', () => {
    const many = { ...limits, connectionsMax: 10, connectionsBurst: 1e9, connectionsPerSecond: 1e9 };
    const guard = new ConnectionGuard(many, { clock: new VirtualClock() });
    guard.enter('kept', false);
    guard.enter('kept', false);
    for (let count = 0; count < addressesMax + 10; count += 1) {
      if (guard.enter(`${count}`, false) === null) guard.leave(`${count}`, false);
    }
    expect(guard.enter('kept', false)).toBe('address');
    expect(guard.addresses).toBeLessThanOrEqual(addressesMax);
  });
});

describe('a tick writer', () => {
  const options = {
    encode: (packets: readonly Uint8Array[]) => [Buffer.concat(packets)],
    bufferedBytesMax: 100,
    stalledMs: 1000,
  };

  it('puts the packets of one tick into one write', async () => {
    const out = new PassThrough();
    const writes: string[] = [];
    out.on('data', (piece: Buffer) => writes.push(String(piece)));
    const writer = new TickWriter(out, { ...options, onWritable() {}, onStalled() {} }, { clock: new VirtualClock() });
    for (const text of ['a', 'b', 'c']) writer.write(Buffer.from(text));
    await new Promise((resolve) => setImmediate(resolve));
    writer.write(Buffer.from('d'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toEqual(['abc', 'd']);
  });

  it('drops past its limit, says when there is room, and reports a reader that stopped', async () => {
    const clock = new VirtualClock();
    const taken: (() => void)[] = [];
    const out = new Writable({ highWaterMark: 1, write: (_piece, _encoding, done) => void taken.push(done) });
    const events: string[] = [];
    const writer = new TickWriter(
      out,
      { ...options, onWritable: () => events.push('writable'), onStalled: (reason) => events.push(reason.code) },
      { clock },
    );
    for (let count = 0; count < 20; count += 1) writer.write(new Uint8Array(10));
    expect(writer.isWritable).toBe(false);
    writer.flush();
    expect(out.writableLength).toBe(100);
    taken.shift()?.();
    await clock.advance(0);
    expect(events).toEqual(['writable']);
    expect(writer.isWritable).toBe(true);
    writer.write(new Uint8Array(10));
    await clock.advance(1000);
    expect(events).toEqual(['writable', 'carrier-stalled']);
    writer.stop();
    writer.write(new Uint8Array(10));
    expect(writer.isWritable).toBe(false);
    expect(clock.pendingCount).toBe(0);
  });
});

describe('the events of a carrier', () => {
  it('before its start are kept up to a limit, then lost', () => {
    const clock = new VirtualClock();
    const events = new CarrierEvents({ earlyBytesMax: 10, firstPacketMs: 1000, onSilent() {} }, { clock });
    for (const length of [4, 6, 1]) events.packet(new Uint8Array(length));
    const lengths: number[] = [];
    events.start({ ...silentHandler, onPacket: (packet) => lengths.push(packet.length) });
    expect(lengths).toEqual([4, 6]);
    expect(clock.pendingCount).toBe(0);
  });
});

it('every refusal is one line of JSON with a sentence, a code and help', () => {
  const all = [
    refusals.notFound(),
    refusals.method('POST'),
    refusals.tooLarge('bodyBytesMax', 1),
    refusals.perAddress('carriersPerAddressMax', 1),
    refusals.draining(),
    refusals.internal(),
  ];
  for (const refusal of all) {
    const text = Buffer.from(refusalBody(refusal)).toString();
    expect(text.trimEnd()).not.toContain('\n');
    expect(Object.keys(JSON.parse(text))).toEqual(['error', 'code', 'help']);
    expect(refusal.error).toMatch(/^[A-Z].*\.$/);
    expect(refusal.help).toMatch(/^[A-Z].*\.$/);
  }
});
