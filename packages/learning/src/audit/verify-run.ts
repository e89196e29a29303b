import type { AnyBoardEntry } from '@pulsemesh/board';
import type { Accountant } from '../rounds/work.ts';
import { attemptFindings } from './attempt-checks.ts';
import { contractFindings } from './contract-checks.ts';
import { type Finding, findingOf } from './finding.ts';
import { modelFindings } from './model-checks.ts';
import { type RunRecord, runRecordOf } from './run-record.ts';

/** What a verifier may bring besides the board; what is missing is not checked, and `unchecked` says so. */
export interface VerifyMeans {
  /** Hash of what round 1 starts from, 64 hex digits: whoever has the program computes it from the task. */
  readonly firstInput?: string;
  /** Counts privacy from the terms again. */
  readonly accountant?: Accountant;
  /** SHA-256, 64 lower-case hex digits: to look at weights that stand on the board. */
  readonly hashOf?: (bytes: Uint8Array) => string;
}

/** What came of re-checking a run. */
export interface RunVerdict {
  readonly taskId: string;
  /** True: nothing was found. */
  readonly isSound: boolean;
  readonly findings: readonly Finding[];
  /** How much was looked at. */
  readonly checked: {
    readonly contracts: number;
    readonly attempts: number;
    readonly rounds: number;
    readonly models: number;
  };
  /** What could not be looked at with what was given. */
  readonly unchecked: readonly string[];
}

/**
 * Re-checks a run from the board alone. `entries` are all of the board's in order, signatures and inclusion verified, as a board's client
 * or `parseEntry` gives them: the keys are the authors' peer ids. A run that is under way is sound as far as it is.
 * Pure: runs in a browser.
 */
export function verifyRun(entries: readonly AnyBoardEntry[], taskId: string, means: VerifyMeans = {}): RunVerdict {
  const record = runRecordOf(entries, taskId);
  const findings =
    record === null
      ? [findingOf('no-task', { entries: [] })]
      : [...contractFindings(record, means), ...attemptFindings(record, means), ...modelFindings(record, means)];
  return {
    taskId,
    isSound: findings.length === 0,
    findings,
    checked: checkedOf(record),
    unchecked: uncheckedOf(means),
  };
}

function checkedOf(record: RunRecord | null): RunVerdict['checked'] {
  if (record === null) return { contracts: 0, attempts: 0, rounds: 0, models: 0 };
  const { contracts, attempts, models } = record;
  const rounds = new Set(attempts.map(({ round }) => round)).size;
  return { contracts: contracts.length, attempts: attempts.length, rounds, models: models.length };
}

function uncheckedOf({ firstInput, accountant, hashOf }: VerifyMeans): readonly string[] {
  return [
    ...(firstInput === undefined ? ['what the first round started from'] : []),
    ...(accountant === undefined ? ['whether the privacy spent follows from the terms'] : []),
    ...(hashOf === undefined ? ['whether weights on the board are the ones the model is named by'] : []),
    'what each site put under its mask: nobody sees that, by design',
  ];
}

/** The verdict as lines for a terminal. */
export function verdictText({ isSound, findings, checked, unchecked }: RunVerdict): string {
  const lines = [
    `checked: ${checked.contracts} contracts, ${checked.rounds} rounds in ${checked.attempts} attempts, ${checked.models} models`,
    ...findings.map(lineOf),
    ...unchecked.map((what) => `not checked: ${what}`),
    isSound ? 'sound: the run is what the board says' : `not sound: ${findings.length} findings`,
  ];
  return lines.join('\n');
}

function lineOf({ kind, who, round, attempt, entries, text }: Finding): string {
  const place = round === null ? '' : ` in round ${round}${attempt === null ? '' : `, attempt ${attempt}`}`;
  const author = who === null ? '' : `, signed by ${who}`;
  return `found: ${text} (${kind})${place}${author}; entries ${entries.join(', ') || 'none'}`;
}
