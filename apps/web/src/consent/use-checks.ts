import type { AccessView, AuditView } from '@pulsemesh/node/api';
import { useCallback, useEffect, useState } from 'react';
import { useTools } from '../state/hooks.ts';
import { type AccessCheck, type CheckedLog, checkAccesses } from './access-check.ts';
import { auditOf } from './consent-api.ts';
import { type LogVerdict, verifyCustodianLog } from './custodian-log.ts';
import { type Loaded, useLoaded } from './use-loaded.ts';

/** What is public, and what this browser found of each custodian's log so far. */
export interface CheckedAudit {
  readonly audit: Loaded<AuditView>;
  readonly logs: readonly CheckedLog[];
  /** Leaves read so far, by custodian. */
  readonly progress: ReadonlyMap<string, number>;
}

/** Fetches what is public, reads every custodian's log and computes its tree; again whenever one of them grew. */
export function useCheckedAudit(): CheckedAudit {
  const { client, clock } = useTools();
  const load = useCallback((signal: AbortSignal) => auditOf(client).view(signal), [client]);
  const audit = useLoaded(load);
  const [verdicts, setVerdicts] = useState<ReadonlyMap<string, LogVerdict>>(new Map());
  const [progress, setProgress] = useState<ReadonlyMap<string, number>>(new Map());
  const view = audit.value;
  // What is asked for again and says the same is not computed again.
  const subject = view === null ? null : JSON.stringify([view.custodians, view.anchors]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `subject` says what of `view` matters here
  useEffect(() => {
    if (view === null) return;
    const abort = new AbortController();
    const source = { leaves: auditOf(client).leaves };
    const work = async () => {
      for (const log of view.custodians) {
        const onProgress = (read: number) => setProgress((before) => new Map(before).set(log.peer, read));
        const deps = { clock, source, onProgress, signal: abort.signal };
        const verdict = await verifyCustodianLog(log, view.anchors, deps);
        if (abort.signal.aborted) return;
        setVerdicts((before) => new Map(before).set(log.peer, verdict));
      }
    };
    void work().catch((error) => {
      if (!abort.signal.aborted) throw error;
    });
    return () => abort.abort();
  }, [subject, client, clock]);

  const logs = (view?.custodians ?? []).map((log) => ({ log, verdict: verdicts.get(log.peer) ?? null }));
  return { audit, logs, progress };
}

const noChecks: ReadonlyMap<AccessView, AccessCheck> = new Map();

/** Checks the lines of "who read what" against their receipts and the custodians' logs. */
export function useAccessChecks(
  accesses: readonly AccessView[] | null,
  { audit, logs }: CheckedAudit,
): ReadonlyMap<AccessView, AccessCheck> {
  const { clock } = useTools();
  const [checks, setChecks] = useState(noChecks);
  const isKnown = audit.value !== null;
  const state = logs.map(({ log, verdict }) => `${log.peer} ${verdict?.size} ${verdict?.kind}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `state` says what of `logs` matters here
  useEffect(() => {
    if (accesses === null || !isKnown) return;
    const abort = new AbortController();
    const { signal } = abort;
    const onCheck = (done: ReadonlyMap<AccessView, AccessCheck>) => {
      if (!signal.aborted) setChecks(done);
    };
    void checkAccesses(accesses, logs, { clock, signal, onCheck }).catch((error) => {
      if (!signal.aborted) throw error;
    });
    return () => abort.abort();
  }, [accesses, isKnown, state, clock]);
  return checks;
}
