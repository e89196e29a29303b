import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TrustBook, TrustBookFullError, trustLimits } from './trust-book.ts';

const peer = (number: number) => `peer ${number}` as PeerId; // any text will do here
const [me, friend, stranger, other] = [peer(0), peer(1), peer(2), peer(3)] as const;

describe('the book of trust', () => {
  it('knows nobody at first, and whom strangers name is a stranger', () => {
    const book = new TrustBook();
    book.heard(stranger, other);
    expect(book.of(stranger)).toBe(0);
    expect(book.friends()).toEqual([]);
  });

  it('lends nine tenths of its trust in who named a peer, and that goes on from peer to peer', () => {
    const book = new TrustBook();
    book.set(friend, 0.8);
    book.heard(stranger, friend);
    expect(book.of(stranger)).toBeCloseTo(0.72);
    book.heard(other, stranger);
    expect(book.of(other)).toBeCloseTo(0.648);
  });

  it('takes less than a tenth for nothing', () => {
    const book = new TrustBook();
    book.set(friend, 0.11);
    book.heard(stranger, friend);
    expect(book.of(stranger)).toBe(0);
  });

  it('lets what is set win over what is lent, downwards too', () => {
    const book = new TrustBook();
    book.set(friend, 1);
    book.set(stranger, 0.2);
    book.heard(stranger, friend);
    expect(book.of(stranger)).toBe(0.2);
    book.set(stranger, 0);
    expect(book.of(stranger)).toBe(0);
  });

  it('takes the most trusted of those who named a peer, however often each did', () => {
    const book = new TrustBook();
    book.set(friend, 0.5);
    book.set(other, 0.9);
    for (let time = 0; time < 100; time += 1) book.heard(stranger, friend);
    expect(book.of(stranger)).toBeCloseTo(0.45);
    book.heard(stranger, other);
    expect(book.of(stranger)).toBeCloseTo(0.81);
  });

  it('forgets what was lent with the peer, and all of it when what is set changes', () => {
    const book = new TrustBook();
    book.set(friend, 1);
    book.heard(stranger, friend);
    book.forget(stranger);
    expect(book.of(stranger)).toBe(0);
    book.heard(stranger, friend);
    book.heard(other, stranger);
    book.unset(friend);
    expect([book.of(friend), book.of(stranger), book.of(other)]).toEqual([0, 0, 0]);
  });

  it('does not let two strangers keep up each other what a friend once lent', () => {
    const book = new TrustBook();
    book.set(friend, 1);
    book.heard(stranger, friend);
    book.heard(other, stranger);
    book.forget(stranger); // it left the views; the friend names it no more
    for (let time = 0; time < 30; time += 1) {
      book.heard(stranger, other);
      book.heard(other, stranger);
    }
    expect([book.of(stranger), book.of(other)]).toEqual([0, 0]);
  });

  it('takes nobody for more trusted because it names itself', () => {
    const book = new TrustBook();
    book.set(friend, 1);
    book.heard(stranger, friend);
    book.heard(stranger, stranger);
    expect(book.of(stranger)).toBeCloseTo(0.9);
  });

  it('lists whom it was told to trust, most trusted first, without the distrusted', () => {
    const book = new TrustBook();
    book.set(me, 0.3);
    book.set(friend, 0.9);
    book.set(stranger, 0);
    book.heard(other, friend);
    expect(book.friends()).toEqual([friend, me]);
    expect(book.friends()).toBe(book.friends());
  });

  it('is bounded in peers and sources', () => {
    const book = new TrustBook();
    for (let number = 0; number < trustLimits.knownMax; number += 1) book.set(peer(number), 0.5);
    expect(() => book.set(peer(-1), 0.5)).toThrow(TrustBookFullError);
    book.set(peer(7), 0.9); // one that stands there already
    for (let number = 0; number < trustLimits.sourcesMax; number += 1) book.heard(peer(-2), peer(100 + number));
    book.heard(peer(-2), peer(7)); // one source too many
    expect(book.of(peer(-2))).toBeCloseTo(0.45);
    for (let number = 0; number < trustLimits.lentMax; number += 1) book.heard(peer(-10 - number), peer(7));
    expect(book.of(peer(-2))).toBe(0); // the first heard of made room
    expect(book.of(peer(-10))).toBeGreaterThan(0);
  });

  it('refuses what is no degree of trust', () => {
    for (const trust of [-0.1, 1.1, Number.NaN]) expect(() => new TrustBook().set(friend, trust)).toThrow('0 … 1');
  });

  it('keeps trust between nothing and what was set, whatever is heard', () => {
    const call = fc.tuple(fc.nat(8), fc.nat(8));
    fc.assert(
      fc.property(fc.array(call), fc.double({ min: 0, max: 1, noNaN: true }), (calls, trust) => {
        const book = new TrustBook();
        book.set(friend, trust);
        for (const [named, source] of calls) {
          if (named === source && named !== 1) book.forget(peer(named));
          book.heard(peer(named), peer(source));
        }
        for (let number = 0; number <= 8; number += 1) {
          if (number !== 1) expect(book.of(peer(number))).toBeLessThanOrEqual(0.9 * trust);
        }
      }),
    );
  });
});
