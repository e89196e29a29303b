import type { TransportName } from '../carrier.ts';
import * as timing from './ladder-timing.ts';
import type { TransportRecord } from './transport-record.ts';

/**
 * `opening`: no data made a round trip yet. `checking`: proven, and probed once more before it takes over. `active`: in use.
 * `stalled`: was active and answers no more. `leaving`: was active, stays a little.
 */
export type AttemptState = 'opening' | 'checking' | 'active' | 'stalled' | 'leaving';

export interface Attempt {
  readonly id: number;
  readonly transport: TransportName;
  readonly startedMs: number;
  state: AttemptState;
  provenMs: number;
  usedMs: number;
  leftMs: number;
  rttMs: number;
  /** When `rttMs` was measured. */
  measuredMs: number;
  heardMs: number;
  probeSentMs: number | null;
}

export function createAttempt(id: number, transport: TransportName, nowMs: number): Attempt {
  return {
    id,
    transport,
    startedMs: nowMs,
    state: 'opening',
    provenMs: 0,
    usedMs: 0,
    leftMs: 0,
    rttMs: 0,
    measuredMs: nowMs,
    heardMs: nowMs,
    probeSentMs: null,
  };
}

/** When something is to be done about it: given up, closed, probed, replaced. */
export function attemptDueMs(
  attempt: Attempt,
  record: TransportRecord,
  facts: { readonly isBusy: boolean; readonly isReplaced: boolean },
): number {
  switch (attempt.state) {
    case 'opening':
      return attempt.startedMs + timing.attemptMsMax;
    case 'checking':
      return (attempt.probeSentMs ?? 0) + Math.max(timing.checkMsMin, 4 * attempt.rttMs);
    case 'leaving':
      return attempt.leftMs + timing.lingerMs;
    case 'stalled':
      return attempt.leftMs + timing.attemptMsMax;
    case 'active': {
      const replaceMs = facts.isReplaced ? Number.POSITIVE_INFINITY : attempt.startedMs + record.replaceAfterMs;
      const isWaiting = attempt.probeSentMs !== null;
      const probeMs = isWaiting
        ? (attempt.probeSentMs ?? 0) + stallMs(attempt)
        : probeDueMs(attempt, record, facts.isBusy);
      return Math.min(replaceMs, probeMs);
    }
  }
}

/** When the one in use is probed: after a silence, and now and then where it is not silent, so that its round trip stays known. */
export function probeDueMs(attempt: Attempt, record: TransportRecord, isBusy: boolean): number {
  const silentMs = attempt.heardMs + (isBusy ? timing.heartbeatMsBusy : record.heartbeatMs);
  const hasTraffic = attempt.heardMs > attempt.measuredMs;
  return hasTraffic ? Math.min(silentMs, attempt.measuredMs + timing.measureMs) : silentMs;
}

/** How long the one in use may owe an answer. */
export function stallMs(attempt: Attempt): number {
  return Math.max(timing.stallMsMin, 8 * attempt.rttMs);
}

/** What is told of a transport that connects and then says nothing. */
export function silence(afterMs: number): string {
  return `connected, but nothing came back within ${afterMs} ms: something on the way swallows or holds back what is sent`;
}
