import { Account, createAddressFromString } from '@ethereumjs/util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlatState } from './flat-state.ts';
import { toHex } from './hex.ts';
import { MemoryState } from './memory-state.ts';
import { nextStateHash } from './state-hash.ts';

const addresses = [1, 2, 3].map((number) => createAddressFromString(`0x${String(number).padStart(40, '0')}`));
const addressOf = (index: number) => addresses[index % addresses.length] as (typeof addresses)[number];
const slotOf = (index: number) => new Uint8Array(32).fill(index);

type Step =
  | { kind: 'checkpoint' | 'commit' | 'revert' }
  | { kind: 'balance' | 'slot'; at: number; value: number }
  | { kind: 'delete' | 'clear'; at: number };

const number = fc.nat({ max: 3 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('checkpoint' as const, 'commit' as const, 'revert' as const) }),
    fc.record({ kind: fc.constantFrom('balance' as const, 'slot' as const), at: number, value: number }),
    fc.record({ kind: fc.constantFrom('delete' as const, 'clear' as const), at: number }),
  ),
  { maxLength: 60 },
);

/** A state that copies itself whole at every checkpoint: slow and plain. */
class Model {
  #now = new Map<string, number>();
  readonly #kept: Map<string, number>[] = [];

  take(step: Step): boolean {
    switch (step.kind) {
      case 'checkpoint':
        this.#kept.push(new Map(this.#now));
        return true;
      case 'commit':
        return this.#kept.pop() !== undefined;
      case 'revert': {
        const before = this.#kept.pop();
        if (before !== undefined) this.#now = before;
        return before !== undefined;
      }
      case 'balance':
        this.#now.set(`a${step.at % 3}`, step.value);
        return true;
      case 'slot':
        this.#now.set(`s${step.at % 3}.${step.at}`, step.value);
        return true;
      case 'delete':
        if (this.#now.has(`a${step.at % 3}`)) this.#clear(step.at % 3);
        this.#now.delete(`a${step.at % 3}`);
        return true;
      case 'clear':
        this.#clear(step.at % 3);
        return true;
    }
  }

  balance(index: number): number | undefined {
    return this.#now.get(`a${index}`);
  }

  slot(index: number): number {
    return this.#now.get(`s${index % 3}.${index}`) ?? 0;
  }

  #clear(index: number): void {
    for (const key of [...this.#now.keys()]) if (key.startsWith(`s${index}.`)) this.#now.delete(key);
  }
}

async function apply(state: FlatState, step: Step): Promise<void> {
  switch (step.kind) {
    case 'checkpoint':
    case 'commit':
    case 'revert':
      return state[step.kind]();
    case 'balance':
      return state.putAccount(addressOf(step.at), new Account(0n, BigInt(step.value)));
    case 'slot': {
      const value = step.value === 0 ? new Uint8Array(0) : Uint8Array.of(0, step.value);
      return state.putStorage(addressOf(step.at), slotOf(step.at), value);
    }
    case 'delete':
      return state.deleteAccount(addressOf(step.at));
    case 'clear':
      return state.clearStorage(addressOf(step.at));
  }
}

describe('a flat state', () => {
  it('is what a state that copies itself would be, also after a block', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (first, second) => {
        const below = new MemoryState();
        const model = new Model();
        for (const block of [first, second]) {
          const state = new FlatState(below);
          for (const step of block) if (model.take(step)) await apply(state, step);
          await expectSame(state, model);
          below.apply(state.changes());
          // Open checkpoints end with the block in the model too.
          while (model.take({ kind: 'commit' }));
          await expectSame(new FlatState(below), model);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('gives each reader an account of its own', async () => {
    const state = new FlatState(new MemoryState());
    await state.putAccount(addressOf(0), new Account(1n, 5n));
    const account = await state.getAccount(addressOf(0));
    if (account !== undefined) account.balance = 9n;
    expect((await state.getAccount(addressOf(0)))?.balance).toBe(5n);
  });

  it('says only what differs from before', async () => {
    const below = new MemoryState();
    const state = new FlatState(below);
    await state.putAccount(addressOf(0), new Account(1n, 5n));
    await state.putStorage(addressOf(0), slotOf(1), Uint8Array.of(7));
    below.apply(state.changes());
    const next = new FlatState(below);
    await next.putAccount(addressOf(0), new Account(1n, 5n));
    await next.putStorage(addressOf(0), slotOf(1), Uint8Array.of(0, 7));
    await next.putStorage(addressOf(0), slotOf(2), new Uint8Array(0));
    expect(next.changes()).toEqual({ accounts: new Map(), slots: new Map(), codes: new Map() });
  });
});

async function expectSame(state: FlatState, model: Model): Promise<void> {
  for (let index = 0; index < 4; index += 1) {
    const balance = (await state.getAccount(addressOf(index)))?.balance;
    expect(balance === undefined ? undefined : Number(balance)).toBe(model.balance(index % 3));
    const value = await state.getStorage(addressOf(index), slotOf(index));
    expect(value.length === 0 ? 0 : Number(`0x${toHex(value)}`)).toBe(model.slot(index));
  }
}

describe('the state hash', () => {
  const account = { nonce: 1n, balance: 2n, codeHash: new Uint8Array(32) };
  const parent = new Uint8Array(32).fill(1);
  const changesOf = (accounts: [string, typeof account | null][], slots: [string, Uint8Array][] = []) => ({
    accounts: new Map(accounts),
    slots: new Map(slots),
    codes: new Map<string, Uint8Array>(),
  });
  const [a, b] = ['01'.repeat(20), '02'.repeat(20)];

  it('does not hang on the order in which things were written', () => {
    const [one, two] = [
      changesOf([
        [a, account],
        [b, null],
      ]),
      changesOf([
        [b, null],
        [a, account],
      ]),
    ];
    expect(nextStateHash(parent, one)).toEqual(nextStateHash(parent, two));
  });

  it('differs for any other parent, account, slot or value', () => {
    const slot = a + '03'.repeat(32);
    const hashes = [
      nextStateHash(new Uint8Array(32), changesOf([[a, account]])),
      nextStateHash(parent, changesOf([])),
      nextStateHash(parent, changesOf([[a, account]])),
      nextStateHash(parent, changesOf([[b, account]])),
      nextStateHash(parent, changesOf([[a, null]])),
      nextStateHash(parent, changesOf([[a, { ...account, nonce: 2n }]])),
      nextStateHash(parent, changesOf([[a, { ...account, balance: 3n }]])),
      nextStateHash(parent, changesOf([], [[slot, Uint8Array.of(1)]])),
      nextStateHash(parent, changesOf([], [[slot, Uint8Array.of(1, 0)]])),
      nextStateHash(parent, changesOf([], [[slot, new Uint8Array(0)]])),
    ];
    expect(new Set(hashes.map(toHex)).size).toBe(hashes.length);
  });
});
