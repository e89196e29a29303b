import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { Board } from '@pulsemesh/board';
import type { GrantLedger, LedgerEvent } from '@pulsemesh/ledger';
import { describe, expect, it } from 'vitest';
import { AuditBook } from './audit-book.ts';

const disputed = (at: bigint, place: number) =>
  ({
    ...{ kind: 'disputed', at, place, timeMs: Number(at), transaction: `0x${at}`, grantId: '0x1', deadline: 9 },
  }) as unknown as LedgerEvent;

describe('what the ledger says publicly', () => {
  it('is what stands, where the ledger took back what it had called final', async () => {
    const told = Promise.withResolvers<void>();
    const stream = [disputed(3n, 0), disputed(5n, 0), disputed(5n, 1), disputed(5n, 0), disputed(6n, 0)];
    const ledger = {
      async *events() {
        yield* stream;
        told.resolve();
        await new Promise(() => {});
      },
    } as unknown as GrantLedger;
    const board = { onEntry: () => ({ [Symbol.dispose]() {} }) } as unknown as Board;
    const deps = { clock: new VirtualClock(), logger: silentLogger };
    using book = new AuditBook({ ledger, board, custodians: [] }, () => {}, deps);
    await told.promise;
    expect(book.events().map(({ at, place }) => `${at}.${place}`)).toEqual(['6.0', '5.0', '3.0']);
  });
});
