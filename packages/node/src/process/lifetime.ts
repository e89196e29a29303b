import type { Readable } from 'node:stream';

/** What a process stops for. */
export type StopReason = 'SIGTERM' | 'SIGINT' | 'supervisor';

/** What {@link watchForStop} listens to: the process itself, or a stand-in in tests. */
export interface StopSources {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  readonly stdin: Readable;
}

/**
 * A signal that aborts when this process is to stop: on SIGTERM, on SIGINT, or, when supervised, when
 * standard input ends, because that is what a child notices of a parent that died, on every platform.
 * A supervised process ignores SIGINT: Ctrl-C reaches the whole terminal group, and the supervisor decides
 * in which order its children stop.
 */
export function watchForStop(isSupervised: boolean, sources: StopSources = process): AbortSignal {
  const controller = new AbortController();
  const stop = (reason: StopReason) => controller.abort(reason);
  sources.on('SIGTERM', () => stop('SIGTERM'));
  sources.on('SIGINT', () => {
    if (!isSupervised) stop('SIGINT');
  });
  if (isSupervised) {
    sources.stdin.on('end', () => stop('supervisor'));
    sources.stdin.on('close', () => stop('supervisor'));
    sources.stdin.on('error', () => stop('supervisor'));
    sources.stdin.resume();
  }
  return controller.signal;
}

/** Resolves once the signal has aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
