import { useCallback, useEffect, useRef, useState } from 'react';

/** Something a person started that takes a while. */
export interface Act {
  /** The name of what runs now; null: nothing. */
  readonly busy: string | null;
  /** What went wrong last, as a sentence. */
  readonly problem: string | null;
  /** Runs one thing at a time; what it rejects with is shown. Resolves with whether it went well. */
  readonly run: (name: string, work: () => Promise<void>) => Promise<boolean>;
  readonly clear: () => void;
}

/** Keeps a button's state: busy, then done or a sentence why not. */
export function useAct(): Act {
  const [busy, setBusy] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const isBusy = useRef(false);
  const isHere = useRef(true);
  useEffect(() => {
    isHere.current = true;
    return () => {
      isHere.current = false;
    };
  }, []);
  const run = useCallback(async (name: string, work: () => Promise<void>) => {
    if (isBusy.current) return false;
    isBusy.current = true;
    setBusy(name);
    setProblem(null);
    try {
      await work();
      return true;
    } catch (error) {
      if (isHere.current) setProblem(error instanceof Error && error.message !== '' ? error.message : 'Try again.');
      return false;
    } finally {
      isBusy.current = false;
      if (isHere.current) setBusy(null);
    }
  }, []);
  const clear = useCallback(() => setProblem(null), []);
  return { busy, problem, run, clear };
}
