import { Condition, silentLogger, silentMeter } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import type { MailboxEngine, MessageToStore } from '../engine.ts';
import { addressOfKey } from '../inbox-id.ts';
import { createRelayEvents } from './events.ts';
import { relayLimits } from './limits.ts';
import { Storing } from './storing.ts';

const inbox = addressOfKey(new Uint8Array(32));
const messageOf = (byte: number): MessageToStore => ({
  inbox,
  messageId: new Uint8Array(16).fill(byte),
  sender: inbox,
  kind: 'message',
  envelope: new Uint8Array(1),
  priority: 'normal',
  ttlMs: 1000,
  receiptTo: null,
});

describe('what is handed to the engine', () => {
  it('after a batch that may not be stored is refused with it, so that none overtakes', async () => {
    const calls: PromiseWithResolvers<void>[] = [];
    const engine = {
      append: async (batch: readonly MessageToStore[]) => {
        const call = Promise.withResolvers<void>();
        calls.push(call);
        await call.promise;
        return batch.map(() => ({ kind: 'stored', offset: 1, isNew: true }) as const);
      },
    } as unknown as MailboxEngine; // all that storing a message uses
    const limits = { ...relayLimits, storingBatchesMax: 1 };
    const failures: unknown[] = [];
    const events = createRelayEvents(silentLogger, silentMeter);
    const storing = new Storing(engine, limits, events, (error) => failures.push(error));
    const told: string[] = [];
    const store = (byte: number) => storing.store(messageOf(byte), (code) => told.push(`${byte} ${code}`));
    store(1);
    await Promise.resolve();
    store(2);
    calls[0]?.reject(new Condition('engine-away', 'the engine is away', { retryable: true }));
    await expect.poll(() => told).toEqual(['1 busy', '2 busy']);
    store(3);
    await expect.poll(() => calls.length).toBe(2);
    calls[1]?.resolve();
    await storing.idle();
    expect(told.at(-1)).toBe('3 null');
    expect(failures).toEqual([]);
  });
});
