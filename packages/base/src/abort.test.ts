import { describe, expect, it } from 'vitest';
import { raceSignal, TimeoutError, withTimeout } from './abort.ts';
import { VirtualClock } from './virtual-clock.ts';

const never = () => new Promise<never>(() => {});

describe('withTimeout', () => {
  it('gives what the action gives', async () => {
    expect(await withTimeout(new VirtualClock(), 'answer', 10, async () => 42)).toBe(42);
  });

  it('rejects with a retryable error that names the wait, and aborts the action', async () => {
    const clock = new VirtualClock();
    let inner: AbortSignal | undefined;
    const result = withTimeout(clock, 'the answer', 10, (signal) => {
      inner = signal;
      return never();
    });
    const rejected = expect(result).rejects.toMatchObject({
      code: 'timeout',
      retryable: true,
      facts: { timeoutMs: 10 },
    });
    await clock.advance(10);
    await rejected;
    expect(inner?.reason).toBeInstanceOf(TimeoutError);
  });

  it('rejects with the reason of the outer signal', async () => {
    const controller = new AbortController();
    const result = withTimeout(new VirtualClock(), 'x', 10, never, { signal: controller.signal });
    controller.abort(new Error('stop'));
    await expect(result).rejects.toThrow('stop');
  });

  it('leaves no timer behind', async () => {
    const clock = new VirtualClock();
    await withTimeout(clock, 'x', 10, async () => {});
    expect(clock.pendingCount).toBe(0);
  });
});

describe('raceSignal', () => {
  it('swallows the late rejection of what lost the race', async () => {
    const lost = Promise.reject(new Error('late'));
    await expect(raceSignal(lost, AbortSignal.abort(new Error('early')))).rejects.toThrow('early');
  });
});
