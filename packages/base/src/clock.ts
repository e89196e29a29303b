/** A timer that has been set; cancelling it twice is harmless. */
export interface Timer {
  cancel(): void;
}

/**
 * The one door to time. Everything outside this package takes a `Clock`, so that a test or a
 * simulation decides what time it is.
 */
export interface Clock {
  /** Wall time, milliseconds since 1970-01-01T00:00Z. May jump. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. For durations and deadlines. */
  monotonicMs(): number;
  /** Calls `action` once after `delayMs` (>= 0). An exception thrown by `action` is a bug. */
  setTimer(action: () => void, delayMs: number): Timer;
}

/** The machine's clock. Its timers do not keep the process alive when `unref` is true. */
export function createSystemClock(options: { readonly unref?: boolean } = {}): Clock {
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer(action, delayMs) {
      const handle = setTimeout(action, delayMs);
      if (options.unref) handle.unref();
      return { cancel: () => clearTimeout(handle) };
    },
  };
}

/**
 * Waits `delayMs` on `clock`.
 * @throws `signal.reason` when the signal aborts first.
 */
export function sleep(clock: Clock, delayMs: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimer(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Something that repeats until stopped. */
export interface Ticker {
  stop(): void;
}

/**
 * Runs `action` every `periodMs`, the next run being set only after the last one has ended, so runs
 * never overlap. A rejected run is handed to `onError` and the ticking goes on.
 */
export function startTicker(
  clock: Clock,
  periodMs: number,
  action: () => void | Promise<void>,
  onError: (error: unknown) => void,
): Ticker {
  let isStopped = false;
  let timer: Timer | undefined;
  const schedule = () => {
    if (!isStopped) timer = clock.setTimer(() => void run(), periodMs);
  };
  const run = async () => {
    try {
      await action();
    } catch (error) {
      if (!isStopped) onError(error);
    }
    schedule();
  };
  schedule();
  return {
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}
