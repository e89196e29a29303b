import { Condition } from '@pulsemesh/base';
import { windowSeconds } from '../readings/reading.ts';
import { alertSpanSecondsMax } from './policy.ts';

/**
 * What the alert engine remembers of one patient: plain numbers, strings and arrays, at most
 * {@link recentWindowsMax} + 6 values, so that it can be stored with every prediction.
 */
export interface AlertState {
  /** Start of the newest window seen, null before the first. */
  readonly lastStartSeconds: number | null;
  /** Start of the newest window that had a score. */
  readonly lastScoredSeconds: number | null;
  /** Scores × 10,000 as whole numbers, one per ten seconds up to `lastStartSeconds`, oldest first; −1: no score. */
  readonly recent: readonly number[];
  /** The alert that is raised and not yet resolved. */
  readonly open: OpenAlert | null;
  /** No alert is raised for a window that starts before this; null when none was raised yet. */
  readonly mutedUntilSeconds: number | null;
}

export interface OpenAlert {
  readonly alertId: string;
  readonly episodeStartSeconds: number;
}

/** Most scores a state holds. */
export const recentWindowsMax = alertSpanSecondsMax / windowSeconds;

/** A stored alert state that is not one. */
export class AlertStateError extends Condition {
  override readonly name = 'AlertStateError';
  constructor(field: string) {
    super('alert-state-invalid', `the stored alert state has a wrong ${field}`, { facts: { field } });
  }
}

/** The state of a patient of whom nothing is known. */
export const initialAlertState: AlertState = {
  lastStartSeconds: null,
  lastScoredSeconds: null,
  recent: [],
  open: null,
  mutedUntilSeconds: null,
};

/**
 * Checks a stored state.
 * @throws {AlertStateError} naming the field that is wrong.
 */
export function parseAlertState(value: unknown): AlertState {
  if (typeof value !== 'object' || value === null) throw new AlertStateError('type');
  const fields = value as Record<string, unknown>; // any object may be read by name; each field is checked below
  const lastStartSeconds = parseSeconds(fields['lastStartSeconds'], 'lastStartSeconds');
  return {
    lastStartSeconds,
    lastScoredSeconds: parseSeconds(fields['lastScoredSeconds'], 'lastScoredSeconds'),
    recent: parseRecent(fields['recent'], lastStartSeconds),
    open: parseOpen(fields['open']),
    mutedUntilSeconds: parseSeconds(fields['mutedUntilSeconds'], 'mutedUntilSeconds'),
  };
}

function parseSeconds(value: unknown, field: string): number | null {
  if (value === null) return null;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new AlertStateError(field);
  return value;
}

function parseRecent(value: unknown, lastStartSeconds: number | null): readonly number[] {
  if (!Array.isArray(value) || value.length > recentWindowsMax) throw new AlertStateError('recent');
  if (lastStartSeconds === null && value.length > 0) throw new AlertStateError('recent');
  return value.map((score: unknown) => {
    if (typeof score === 'number' && Number.isInteger(score) && score >= -1 && score <= 10_000) return score;
    throw new AlertStateError('recent');
  });
}

function parseOpen(value: unknown): OpenAlert | null {
  if (value === null) return null;
  if (typeof value !== 'object') throw new AlertStateError('open');
  const { alertId, episodeStartSeconds } = value as Record<string, unknown>; // checked in the next lines
  if (typeof alertId !== 'string' || !/^[0-9a-f]{32}$/.test(alertId)) throw new AlertStateError('open.alertId');
  if (!Number.isSafeInteger(episodeStartSeconds)) throw new AlertStateError('open.episodeStartSeconds');
  return { alertId, episodeStartSeconds: episodeStartSeconds as number };
}
