import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import type { SealedRows } from '../access/sealed-rows.ts';
import type { GrantLedger, LedgerEvent } from '../grants/grant-ledger.ts';
import { EventFeed } from './event-feed.ts';

const purchased = (at: bigint, place = 0) =>
  ({ kind: 'purchased', at, place, grantId: `0x${at}${place}`, deadline: 9 }) as unknown as LedgerEvent;

describe('what a custodian takes of the ledger', () => {
  it('holds what stands instead of final blocks that were taken back', async () => {
    const stream = [purchased(3n), purchased(7n), purchased(5n), purchased(7n, 1)];
    const stopped = new AbortController();
    const ledger = {
      async *events() {
        yield* stream;
        stopped.abort();
      },
    } as unknown as GrantLedger;
    const rows = { get: () => [3, 0] } as unknown as SealedRows; // the first was taken before a restart
    const feed = new EventFeed(rows, ledger, { clock: new VirtualClock(), logger: silentLogger });
    const taken: LedgerEvent[] = [];
    await feed.run(async (event) => void taken.push(event), stopped.signal);
    expect(taken).toEqual(stream.slice(1));
  });
});
