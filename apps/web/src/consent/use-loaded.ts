import type { Clock } from '@pulsemesh/base/clock';
import { useCallback, useEffect, useRef, useState } from 'react';
import { usePageState, useTools } from '../state/hooks.ts';

/** What a page asked for: the newest answer, and what went wrong since. */
export interface Loaded<T> {
  /** Null: nothing came yet. */
  readonly value: T | null;
  /** A sentence; null where the last try went well. */
  readonly problem: string | null;
  /** Shows this at once: the answer to something the person did. */
  readonly put: (value: T) => void;
  readonly reload: () => void;
}

/** Blocks may come faster than anybody reads: answers are asked for no oftener than this. */
export const reloadGapMs = 400;

/**
 * Asks for something, and again after each event about consent, each block and each new connection. One question at a time; `load` has to
 * stay the same function as long as it asks for the same thing.
 */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const { clock } = useTools();
  const { consentVersion } = usePageState();
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const loader = useRef<Loader | null>(null);

  useEffect(() => {
    const made = startLoader(load, clock, {
      onValue: (next) => {
        setValue(next);
        setProblem(null);
      },
      onProblem: setProblem,
    });
    loader.current = made;
    return () => made.stop();
  }, [load, clock]);

  const seenVersion = useRef(consentVersion);
  useEffect(() => {
    if (seenVersion.current === consentVersion) return;
    seenVersion.current = consentVersion;
    loader.current?.renew();
  }, [consentVersion]);

  const put = useCallback((next: T) => {
    loader.current?.supersede();
    setValue(next);
    setProblem(null);
  }, []);
  const reload = useCallback(() => loader.current?.renew(), []);
  return { value, problem, put, reload };
}

interface Loader {
  renew(): void;
  /** What is on its way is older than what is shown now. */
  supersede(): void;
  stop(): void;
}

function startLoader<T>(
  load: (signal: AbortSignal) => Promise<T>,
  clock: Clock,
  handlers: { readonly onValue: (value: T) => void; readonly onProblem: (text: string) => void },
): Loader {
  const abort = new AbortController();
  let isBusy = false;
  let isOld = false;
  let generation = 0;

  const run = async () => {
    isBusy = true;
    isOld = false;
    const asked = generation;
    try {
      const value = await load(abort.signal);
      if (!abort.signal.aborted && asked === generation) handlers.onValue(value);
    } catch (error) {
      if (!abort.signal.aborted) handlers.onProblem(error instanceof Error ? error.message : 'It could not be loaded.');
    }
    if (abort.signal.aborted) return;
    const timer = clock.setTimer(() => {
      abort.signal.removeEventListener('abort', cancel);
      isBusy = false;
      if (isOld) void run();
    }, reloadGapMs);
    const cancel = () => timer.cancel();
    abort.signal.addEventListener('abort', cancel, { once: true });
  };

  const renew = () => {
    isOld = true;
    if (!isBusy && !abort.signal.aborted) void run();
  };
  renew();
  return {
    renew,
    supersede: () => {
      generation += 1;
      renew();
    },
    stop: () => abort.abort(),
  };
}
