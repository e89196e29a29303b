import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { testAuthor } from '@pulsemesh/board/testing';
import { createBox, SealBrokenError } from '@pulsemesh/crypto';
import { createMemoryTables, StoreFullError } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { Hex } from '../../offer/offer.ts';
import { OfficeClosedError, OfficeFullError } from '../errors.ts';
import { decodeMessage } from '../message-codec.ts';
import type { Notice } from '../offices.ts';
import { Desk } from './desk.ts';
import { deskLimits } from './desk-limits.ts';
import { Errands } from './errands.ts';

interface Rows {
  readonly thing: { readonly count: number };
}

const to = testAuthor('receiver').peerId;
const other = testAuthor('other').peerId;
const grantOf = (byte: number): Hex => `0x${byte.toString(16).padStart(2, '0').repeat(32)}`;

function world(bytesMax?: number) {
  const clock = new VirtualClock();
  const random = createSeededRandom(1);
  const dependencies = { clock, random, logger: silentLogger, meter: silentMeter };
  const store = createMemoryTables(bytesMax === undefined ? {} : { bytesMax });
  const sent: { to: PeerId; grantId: Hex }[] = [];
  const told: Notice[] = [];
  const away = new Set<PeerId>();
  const post = {
    async send(receiver: PeerId, bytes: Uint8Array) {
      if (away.has(receiver)) throw new Error('away');
      const message = decodeMessage(bytes);
      if (message.kind === 'claim') sent.push({ to: receiver, grantId: message.body.grantId });
    },
  };
  const notices = { tell: async (notice: Notice) => void told.push(notice) };
  const limits = { ...deskLimits, outboxMax: 50 };
  const open = (key = 1) =>
    new Desk<Rows>(
      { limits, store, post, notices, table: 'desk', box: createBox(new Uint8Array(32).fill(key), { random }) },
      dependencies,
    );
  return { clock, dependencies, store, sent, told, away, open };
}

describe('a desk', () => {
  it('keeps rows over restarts, and nothing of a change that threw', async () => {
    const { open } = world();
    const desk = open();
    await desk.transact((change) => change.put('thing', 'a', { count: 1 }));
    const failed = desk.transact((change) => {
      change.put('thing', 'a', { count: 2 });
      expect(change.get('thing', 'a')?.count).toBe(2);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect([desk.get('thing', 'a'), open().get('thing', 'a')]).toEqual([{ count: 1 }, { count: 1 }]);
    expect(() => open(2)).toThrow(SealBrokenError);
    await desk[Symbol.asyncDispose]();
    await expect(desk.transact(() => {})).rejects.toBeInstanceOf(OfficeClosedError);
  });

  it('runs changes one after the other', async () => {
    const { open } = world();
    const desk = open();
    const add = () =>
      desk.transact(async (change) => {
        const { count } = change.get('thing', 'a') ?? { count: 0 };
        await Promise.resolve();
        change.put('thing', 'a', { count: count + 1 });
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect(desk.get('thing', 'a')).toEqual({ count: 20 });
  });

  it('sends what was committed, in order to each receiver, however long one is away, and after a restart', async () => {
    const { clock, open, sent, told, away } = world();
    away.add(to);
    const desk = open();
    for (const byte of [1, 2, 3]) {
      await desk.transact((change) => {
        change.send(to, 'claim', { grantId: grantOf(byte) }, `about ${byte}`);
        change.send(other, 'claim', { grantId: grantOf(byte) }, '');
      });
    }
    await desk.transact((change) => change.tell({ noticeId: 'n', subject: 's', kind: 'paid' }));
    await clock.advance(1_000);
    expect(sent.map(({ to: receiver }) => receiver)).toEqual([other, other, other]);
    expect(told).toHaveLength(1);
    await desk.transact((change) => change.callBack('about 2'));
    await desk[Symbol.asyncDispose]();
    away.clear();
    const again = open();
    again.start();
    await clock.advance(10 * 60_000);
    expect(sent.slice(3)).toEqual([
      { to, grantId: grantOf(1) },
      { to, grantId: grantOf(3) },
    ]);
    expect([again.waiting, open().waiting]).toEqual([0, 0]);
  });

  it('takes no more messages than it may hold, and changes nothing then; gives up what nobody takes for a month', async () => {
    const { clock, open, away } = world();
    away.add(to);
    const desk = open();
    const fill = (count: number) =>
      desk.transact((change) => {
        change.put('thing', 'full', { count });
        for (let at = 0; at < count; at += 1) change.send(to, 'claim', { grantId: grantOf(1) }, '');
      });
    await fill(49);
    await expect(fill(2)).rejects.toBeInstanceOf(OfficeFullError);
    expect(desk.get('thing', 'full')).toEqual({ count: 49 });
    await fill(1);
    await clock.advance(1_000);
    await desk.transact((change) => change.callBack(''));
    expect(desk.waiting).toBe(0);
    await desk.transact((change) => change.send(to, 'claim', { grantId: grantOf(1) }, ''));
    await desk[Symbol.asyncDispose]();
    await clock.advance(deskLimits.sendWithinMs + 1);
    const later = open();
    later.start();
    await clock.advance(1_000);
    expect(later.waiting).toBe(0);
  });

  it('changes nothing when the disk is full', async () => {
    const { open } = world(400);
    const desk = open();
    await desk.transact((change) => change.put('thing', 'a', { count: 1 }));
    const full = desk.transact((change) => {
      for (let at = 0; at < 10; at += 1) change.put('thing', `b${at}`, { count: at });
    });
    await expect(full).rejects.toBeInstanceOf(StoreFullError);
    expect([...desk.all('thing').keys()]).toEqual(['a']);
  });
});

describe('errands', () => {
  it('are done once under one name, tried again until they succeed, and end with their owner', async () => {
    const { clock, dependencies } = world();
    const errands = new Errands(dependencies);
    let tries = 0;
    const work = async () => {
      tries += 1;
      if (tries < 3) throw new Error('not yet');
    };
    errands.run('a', work);
    errands.run('a', work);
    await clock.advance(60_000);
    expect(tries).toBe(3);
    errands[Symbol.dispose]();
    errands.run('b', work);
    await clock.advance(60_000);
    expect(tries).toBe(3);
  });
});
