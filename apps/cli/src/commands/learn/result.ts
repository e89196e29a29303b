import type { AnyBoardEntry } from '@pulsemesh/board';
import { decodeState, decodeSurveyResult, type SurveyAnswer, type TaskView } from '@pulsemesh/learning';
import { contentId } from '@pulsemesh/wire';

/** What came out of a task, for people and programs. */
export type TaskResult =
  | { readonly kind: 'survey'; readonly answers: readonly SurveyAnswer[] }
  | {
      readonly kind: 'model';
      readonly columns: readonly string[];
      /** A value is brought to one scale first: (value − mean) × scale. */
      readonly means: readonly number[];
      readonly scales: readonly number[];
      /** Layer by layer, weights before biases. */
      readonly weights: readonly number[];
    };

/** Reads what a party kept, if the board says that this came out of the task; null: it does not. @throws {DecodeError}; {SurveyError}. */
export function resultOf(
  { id, task }: Pick<TaskView, 'id' | 'task'>,
  entries: readonly AnyBoardEntry[],
  kept: Uint8Array,
): TaskResult | null {
  const hash = contentId(kept);
  const isSaid = entries.some(
    ({ kind, body }) =>
      kind === 'round' &&
      body.task === id &&
      body.round === task.rounds &&
      body.step.name === 'closed' &&
      body.step.output === hash,
  );
  if (!isSaid) return null;
  if (task.work.kind === 'survey') return { kind: 'survey', ...decodeSurveyResult(kept) };
  const { means, scales, weights } = decodeState(kept, task.work.model);
  return { kind: 'model', columns: task.query.columns, means: [...means], scales: [...scales], weights: [...weights] };
}

/** A line or two for each answer; of a model nothing, since nobody reads weights. */
export function resultLines(result: TaskResult): readonly string[] {
  if (result.kind === 'model') return [];
  return ['', ...result.answers.flatMap(answerLines)];
}

function answerLines({ name, count, mean, bins, quantiles, deviation }: SurveyAnswer): readonly string[] {
  if (count === null) return [`${name}: concerns fewer than ten, and is not told`];
  const noise = deviation === 0 ? '' : `, give or take ${figure(deviation)}`;
  return [
    `${name}: ${figure(count)} answered${noise}${mean === null ? '' : `, mean ${figure(mean)}`}`,
    ...(bins.length === 0
      ? []
      : [`  from low to high: ${bins.map((bin) => (bin === null ? '<10' : figure(bin))).join(' ')}`]),
    ...(quantiles.length === 0
      ? []
      : [`  quantiles: ${quantiles.map((value) => (value === null ? '–' : figure(value))).join(' ')}`]),
  ];
}

function figure(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(5);
}
