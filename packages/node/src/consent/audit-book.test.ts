import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { Board } from '@pulsemesh/board';
import type { GrantLedger, LedgerEvent } from '@pulsemesh/ledger';
import { describe, expect, it } from 'vitest';
import { AuditBook, anchorsMax, type KnownCustodian } from './audit-book.ts';

const disputed = (at: bigint, place: number) =>
  ({
    ...{ kind: 'disputed', at, place, timeMs: Number(at), transaction: `0x${at}`, grantId: '0x1', deadline: 9 },
  }) as unknown as LedgerEvent;

const anchored = (at: bigint, custodian: string) =>
  ({
    ...{ kind: 'anchored', at, place: 0, timeMs: Number(at), transaction: `0x${at}`, custodian },
    ...{ previous: '0x0', root: `0x${at.toString(16)}`, count: at },
  }) as unknown as LedgerEvent;

/** A book that has read all of this. */
async function bookOf(stream: readonly LedgerEvent[], custodians: readonly KnownCustodian[] = []): Promise<AuditBook> {
  const told = Promise.withResolvers<void>();
  const ledger = {
    async *events() {
      yield* stream;
      told.resolve();
      await new Promise(() => {});
    },
  } as unknown as GrantLedger;
  const board = { onEntry: () => ({ [Symbol.dispose]() {} }) } as unknown as Board;
  const book = new AuditBook({ ledger, board, custodians }, () => {}, {
    clock: new VirtualClock(),
    logger: silentLogger,
  });
  await told.promise;
  return book;
}

describe('what the ledger says publicly', () => {
  it('is what stands, where the ledger took back what it had called final', async () => {
    const stream = [disputed(3n, 0), disputed(5n, 0), disputed(5n, 1), disputed(5n, 0), disputed(6n, 0)];
    using book = await bookOf(stream);
    expect(book.events().map(({ at, place }) => `${at}.${place}`)).toEqual(['6.0', '5.0', '3.0']);
  });

  it('keeps the anchors of its custodians, however many a stranger pays for', async () => {
    const stream = [anchored(1n, '0xa1')];
    for (let at = 2; at <= anchorsMax + 10; at += 1) stream.push(anchored(BigInt(at), '0xbad'));
    using book = await bookOf(stream, [{ peer: 'ours', account: '0xa1' }]);
    expect(book.anchors().at(-1)).toMatchObject({ custodian: 'ours', count: 1 });
    expect(book.anchors()).toHaveLength(anchorsMax + 1);
  });
});
