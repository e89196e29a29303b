import { encodeCbor } from '@pulsemesh/wire';
import { type LearningTable, rowCountOf } from '../data/table.ts';
import { addTruncated, noisyVector } from '../privacy/noise.ts';
import type { LocalWork } from '../rounds/work.ts';
import { encodeFixedPoint } from '../secure-sum/index.ts';
import { patientCountOf } from '../training/evaluation.ts';
import type { TaskRecords } from '../training/training-work.ts';
import { type PlacedQuestion, SurveyError, type SurveyLayout, surveyLayoutOf } from './questions.ts';

/** What a survey starts from: nothing. */
export const surveyFirstInput: Uint8Array = encodeCbor(null);

/**
 * What a site, or a patient's own device, answers to a survey: each patient weighs 1 whatever the number of its records; with privacy terms
 * per site, each site does. Values are clipped to a question's low and high. How many were is summed too, but not with privacy terms.
 */
export function createSurveyWork({ records }: { readonly records: TaskRecords }): LocalWork {
  return {
    vectorLength: (task) => surveyLayoutOf(task).vectorLength,
    firstInput: () => surveyFirstInput,
    async contribute({ task, taskId }, { random }) {
      const layout = surveyLayoutOf(task);
      const table = await records.tableOf(task, taskId);
      if (rowCountOf(table) === 0) throw new SurveyError('survey-no-records', 'no record may be used for this survey');
      const patients = patientCountOf(table);
      const units = unitsOf(table, task.privacy?.unit === 'site');
      if (task.privacy !== null) {
        const steps = new Float64Array(layout.vectorLength);
        for (const rows of units) addTruncated(steps, answerOf(table, rows, layout).values, task.sum.steps);
        return { vector: noisyVector(steps, { ...task, privacy: task.privacy }, { random }), clipped: 0, patients };
      }
      const sum = new Float64Array(layout.vectorLength);
      let clipped = 0;
      for (const rows of units) {
        const answer = answerOf(table, rows, layout);
        clipped += answer.clipped;
        for (const [index, value] of answer.values.entries()) sum[index] = (sum[index] as number) + value; // equal lengths
      }
      const encoded = encodeFixedPoint(sum, { ...task.sum, sites: task.sitesMax });
      return { vector: encoded.words, clipped: clipped + encoded.clipped, patients };
    },
  };
}

/** Rows of each unit: of each patient, or of the site as one. */
function unitsOf(table: LearningTable, isSite: boolean): readonly (readonly number[])[] {
  const rows = Array.from({ length: rowCountOf(table) }, (_, row) => row);
  if (isSite) return [rows];
  const units = new Map<number, number[]>();
  for (const row of rows) {
    const patient = table.patientOfRow[row] as number; // row is the table's
    const unit = units.get(patient);
    if (unit === undefined) units.set(patient, [row]);
    else unit.push(row);
  }
  return [...units.values()];
}

/** One unit's answers to all questions; its L2 norm is the layout's at most. */
function answerOf(
  table: LearningTable,
  rows: readonly number[],
  layout: SurveyLayout,
): { readonly values: Float64Array; readonly clipped: number } {
  const values = new Float64Array(layout.vectorLength);
  let clipped = 0;
  for (const placed of layout.questions) {
    const { low, high } = placed.question;
    for (const row of rows) {
      const value = table.values[row * table.columns.length + placed.column] as number; // within the table
      const held = Math.max(low, Math.min(high, value));
      if (held !== value) clipped += 1;
      addValue(values, placed, held, 1 / rows.length);
    }
  }
  return { values: values.map((value) => value * layout.scale), clipped };
}

function addValue(values: Float64Array, { question, at, length }: PlacedQuestion, value: number, weight: number): void {
  const { low, high, statistic } = question;
  const share = (value - low) / (high - low);
  const add = (place: number, by: number) => {
    values[at + place] = (values[at + place] as number) + by; // within the question's part
  };
  if (statistic === 'count') add(0, weight);
  else if (statistic === 'mean') {
    add(0, weight);
    add(1, weight * (2 * share - 1));
  } else add(Math.min(length - 1, Math.floor(share * length)), weight);
}
