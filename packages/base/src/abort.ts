import type { Clock } from './clock.ts';
import { Condition } from './errors.ts';

/** The last argument of everything that waits. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** A wait that took longer than it was given. Retryable. */
export class TimeoutError extends Condition {
  override readonly name = 'TimeoutError';
  constructor(what: string, timeoutMs: number) {
    super('timeout', `${what} took longer than ${timeoutMs} ms`, { facts: { what, timeoutMs }, retryable: true });
  }
}

/**
 * Runs `action` with a signal that aborts after `timeoutMs` or when `signal` does.
 * @throws {TimeoutError} when the time is up, `signal.reason` when aborted, or what `action` throws.
 */
export async function withTimeout<T>(
  clock: Clock,
  what: string,
  timeoutMs: number,
  action: (signal: AbortSignal) => Promise<T>,
  options: WaitOptions = {},
): Promise<T> {
  const controller = new AbortController();
  const forward = () => controller.abort(options.signal?.reason);
  if (options.signal?.aborted) forward();
  options.signal?.addEventListener('abort', forward, { once: true });
  const timer = clock.setTimer(() => controller.abort(new TimeoutError(what, timeoutMs)), timeoutMs);
  try {
    return await raceSignal(action(controller.signal), controller.signal);
  } finally {
    timer.cancel();
    options.signal?.removeEventListener('abort', forward);
  }
}

/**
 * Settles as `promise` does, unless `signal` aborts first.
 * @throws `signal.reason` when the signal aborts first; `promise` then runs on unobserved.
 */
export function raceSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => {});
      return reject(signal.reason);
    }
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
