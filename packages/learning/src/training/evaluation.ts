import type { EvaluationBody } from '@pulsemesh/board';
import type { LearningTable } from '../data/table.ts';
import type { LocalModel } from './local-model.ts';
import type { ModelState } from './model-state.ts';

/**
 * How a model does on a site's own records, as it tells others; null where the records hold only one of the labels.
 * `running` is the model the site uses now.
 */
export async function evaluateAtSite(
  model: LocalModel,
  state: ModelState,
  options: { readonly table: LearningTable; readonly running: ModelState | null },
): Promise<Pick<EvaluationBody, 'auc' | 'runningAuc' | 'patients'> | null> {
  const { table, running } = options;
  const auc = areaUnderCurve(await model.scores(state, table), table.labels);
  if (auc === null) return null;
  const runningAuc = running === null ? null : areaUnderCurve(await model.scores(running, table), table.labels);
  return { auc, runningAuc, patients: Math.floor(patientCountOf(table) / 10) * 10 };
}

/** Patients who have a row. */
export function patientCountOf(table: LearningTable): number {
  return new Set(table.patientOfRow).size;
}

/**
 * Area under the receiver operating characteristic by mean ranks (Mann & Whitney), ties counted half; null unless both
 * labels occur.
 */
export function areaUnderCurve(scores: Float64Array, labels: Uint8Array): number | null {
  const order = Uint32Array.from(scores, (_, index) => index).sort(
    (one, other) => (scores[one] as number) - (scores[other] as number), // both are places in scores
  );
  let positives = 0;
  let rankSum = 0;
  for (let first = 0; first < order.length; ) {
    const score = scores[order[first] as number];
    let next = first;
    let tied = 0;
    for (; next < order.length && scores[order[next] as number] === score; next += 1) {
      tied += labels[order[next] as number] as number; // a label per score
    }
    positives += tied;
    rankSum += tied * ((first + 1 + next) / 2);
    first = next;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
