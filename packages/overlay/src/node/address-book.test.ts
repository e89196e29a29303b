import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../descriptor.ts';
import { World, worldStartMs } from '../testing/node-world.ts';
import { AddressBook, addressBookLimits } from './address-book.ts';

const world = new World(1);
const descriptors = (count: number) => Array.from({ length: count }, () => world.add().descriptor);
const view = (told: readonly Descriptor[]) => ({ kind: 'view', nonce: 1, descriptors: told }) as const;
const [teller, other] = ['a teller', 'another'] as [PeerId, PeerId];

describe('addresses that others tell', () => {
  it('are remembered where their peers signed them, and hold', () => {
    const book = new AddressBook();
    const [good, late] = descriptors(2) as [Descriptor, Descriptor];
    const forged = { ...late, addresses: ['/ip4/10.0.0.1/tcp/1'] };
    book.read(teller, view([good, forged]), worldStartMs);
    expect(book.get(good.peer)).toBe(good);
    expect(book.get(late.peer)).toBeUndefined();
    book.read(teller, view([late]), 1_000 * late.expiresAtSeconds);
    expect(book.get(late.peer)).toBeUndefined();
  });

  it('are those of the sender itself only where it is the sender', () => {
    const book = new AddressBook();
    const [self] = descriptors(1) as [Descriptor];
    const pull = { kind: 'pull', nonce: 1, self, want: 10 } as const;
    book.read(teller, pull, worldStartMs);
    expect(book.get(self.peer)).toBeUndefined();
    book.read(self.peer, pull, worldStartMs);
    expect(book.get(self.peer)).toBe(self);
  });

  it('take few places on one peer’s word, which drives nobody else’s out', () => {
    const book = new AddressBook();
    const [known] = descriptors(1) as [Descriptor];
    book.read(other, view([known]), worldStartMs);
    const many = descriptors(addressBookLimits.perTellerMax + 10);
    for (let at = 0; at < many.length; at += 10) book.read(teller, view(many.slice(at, at + 10)), worldStartMs);
    expect(book.get(known.peer)).toBe(known);
    expect(many.filter(({ peer }) => book.get(peer) !== undefined)).toHaveLength(addressBookLimits.perTellerMax);
  });
});
