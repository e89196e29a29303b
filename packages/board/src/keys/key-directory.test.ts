import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it, vi } from 'vitest';
import { createMemoryBoard } from '../testing/memory-board.ts';
import { sampleEnrolment, testAuthor } from '../testing/sample-entries.ts';
import { type KeyAlarm, KeyDirectory } from './key-directory.ts';

const clinic = testAuthor('clinic');
const other = testAuthor('other');
const authority = testAuthor('authority');

function aBoard() {
  return createMemoryBoard({ authorities: [authority.peerId] }, { clock: new VirtualClock() });
}

describe('keys on a board', () => {
  it('are shown with their newest card and their history, and as revoked once they are', async () => {
    const board = aBoard();
    using keys = new KeyDirectory(board);
    await board.publish('key', sampleEnrolment(clinic, 'Clinic'), clinic);
    const card = Uint8Array.of(9);
    await board.publish('key', { action: 'rotate', subject: clinic.peerId, name: 'Clinic', card }, clinic);
    expect(keys.keyOf(clinic.peerId)).toMatchObject({ name: 'Clinic', state: 'enrolled', card });
    const revocation = { action: 'revoke', subject: clinic.peerId, name: 'gone', reason: 'lost' } as const;
    await board.publish('key', revocation, authority);
    expect(keys.keyOf(clinic.peerId)).toMatchObject({ name: 'Clinic', state: 'revoked', card: null });
    expect([keys.isRevoked(clinic.peerId), keys.all().length, keys.all()[0]?.history.length]).toEqual([true, 1, 3]);
    expect(keys.keyOf(other.peerId)).toBeNull();
  });

  it('raise an alarm for entries under my peer id that I did not make, and for others under my name', async () => {
    const board = aBoard();
    using keys = new KeyDirectory(board);
    const mine = await board.publish('key', sampleEnrolment(clinic, 'St. Anna Clinic'), clinic);
    const alarms: KeyAlarm[] = [];
    const logger = { ...silentLogger, error: vi.fn() };
    const own = { peerId: clinic.peerId, name: 'St. Anna Clinic', isMine: (id: string) => id === mine.id };
    using _watching = keys.watch(own, (alarm) => alarms.push(alarm), { logger });
    expect(alarms).toEqual([]);
    await board.publish('key', sampleEnrolment(other, 'ST ANNA clinic'), other);
    const stolen = { action: 'rotate', subject: clinic.peerId, name: 'x', card: Uint8Array.of(1) } as const;
    await board.publish('key', stolen, clinic);
    expect(alarms.map(({ kind }) => kind)).toEqual(['my-name', 'my-key']);
    expect(logger.error).toHaveBeenCalledTimes(2);
    expect(JSON.stringify(logger.error.mock.calls)).not.toMatch(/anna|12D3/i);
  });
});
