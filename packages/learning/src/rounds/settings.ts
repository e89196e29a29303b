import type { TaskBody } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import { type SumSettings, secureSumLimits, sumSettingsFault } from '../secure-sum/index.ts';
import { roundLimits } from './limits.ts';
import type { WorkShape } from './work.ts';

/** Where an attempt of a round stands in its task. */
export interface AttemptPlace {
  readonly taskId: string;
  readonly task: TaskBody;
  readonly round: number;
  readonly attempt: number;
  /** Who was asked, as in the `opened` entry. */
  readonly sites: readonly PeerId[];
}

/** The name of an attempt's scope, the same at all parties: their messages meet in it. */
export function attemptScope(round: number, attempt: number): string {
  return `r${round}/a${attempt}`;
}

/**
 * What goes through a task's sums: the work's values and, where there are no privacy terms, the number of clipped ones after them. An exact
 * count would not be covered by the noise.
 */
export function sumLength(task: TaskBody, work: Pick<WorkShape, 'vectorLength'>): number {
  return work.vectorLength(task) + (countsClipped(task) ? 1 : 0);
}

/** Whether the number of clipped values is summed too. */
export function countsClipped(task: TaskBody): boolean {
  return task.privacy === null;
}

/**
 * The settings of an attempt's sum. The task's threshold is a least one: with more sites than it was made for it grows with them, so that
 * always more than half of those who hold shares must answer.
 */
export function sumSettingsOf(place: AttemptPlace, vectorLength: number): SumSettings {
  const { taskId, task, round, attempt, sites } = place;
  const { neighbours } = task.sum;
  const holders = neighbours === 'all' ? sites.length : Math.min(sites.length, neighbours + 1);
  const threshold = Math.max(task.sum.threshold, Math.floor(holders / 2) + 1);
  const survivorsMin = Math.max(secureSumLimits.sitesMin, task.sitesMin, threshold);
  return { task: taskId, round, attempt, sites, vectorLength, neighbours, threshold, survivorsMin };
}

/**
 * Why no sum under these terms is safe, whatever the task says; null: none. A site with a few neighbours is alone as soon as these work
 * together: whoever may leave sites out, or bring more of its own, draws such a graph.
 */
export function termsFault(settings: SumSettings): string | null {
  const { neighbours, sites } = settings;
  const isSparse = neighbours !== 'all' && neighbours < Math.min(roundLimits.neighboursMin, sites.length - 1);
  return isSparse ? 'number of neighbours' : sumSettingsFault(settings);
}

/** How long a site waits for the next thing of an attempt, milliseconds. */
export function patienceMs(
  task: TaskBody,
  limits: { readonly patienceSteps: number; readonly patienceMs: number },
): number {
  return task.stepMs * limits.patienceSteps + limits.patienceMs;
}
