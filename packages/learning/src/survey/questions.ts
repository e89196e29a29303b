import { Condition } from '@pulsemesh/base';
import type { SurveyQuestion, TaskBody } from '@pulsemesh/board';
import { noiseFault } from '../privacy/noise.ts';
import { fixedPointFault } from '../secure-sum/index.ts';

export const surveyLimits = {
  questionsMax: 64,
  binsMax: 1024,
  quantilesMax: 32,
  /** What concerns fewer units than this is not said. */
  smallCountMin: 10,
} as const;

/** Bins where a question names none. */
const binsDefault = 64;

/**
 * Why a survey cannot be answered or its sum not be used: `survey-unfit` the task, `survey-no-records` no patient's consent covers it
 * now, `survey-sum-out-of-bounds` no honest sites can have sent what adds up to this, `survey-result-malformed` bytes that are no result.
 */
export class SurveyError extends Condition {
  override readonly name = 'SurveyError';
  constructor(
    code: 'survey-unfit' | 'survey-no-records' | 'survey-sum-out-of-bounds' | 'survey-result-malformed',
    message: string,
    cause?: unknown,
  ) {
    super(code, message, { cause });
  }
}

/** A survey as its answers are laid out. */
export interface SurveyLayout {
  readonly questions: readonly PlacedQuestion[];
  readonly vectorLength: number;
  /** Everything is multiplied by it before it is summed: with privacy terms one unit's answers to all questions reach the norm at most. */
  readonly scale: number;
}

/** A question and where in the vector its answer stands. */
export interface PlacedQuestion {
  readonly question: SurveyQuestion;
  /** Place of its column in the query's. */
  readonly column: number;
  readonly at: number;
  /** 1 for a count, 2 for a mean, else the number of bins. */
  readonly length: number;
}

/**
 * The layout of a survey's vectors, a pure function of the task: a count takes one value (units with an answer), a mean two (units, and the
 * sum of their means from −1 at `low` to 1 at `high`), a histogram one per bin. @throws {SurveyError} `survey-unfit`.
 */
export function surveyLayoutOf(task: TaskBody): SurveyLayout {
  const { work, privacy } = task;
  if (work.kind !== 'survey') throw unfit('it is no survey');
  if (work.questions.length < 1 || work.questions.length > surveyLimits.questionsMax)
    throw unfit('number of questions');
  if (new Set(work.questions.map(({ name }) => name)).size < work.questions.length)
    throw unfit('two questions of one name');
  if (task.rounds !== 1) throw unfit('a survey has one round');
  const fault =
    privacy === null ? fixedPointFault({ ...task.sum, sites: task.sitesMax }) : noiseFault({ ...task, privacy });
  if (fault !== null) throw unfit(fault);
  let at = 0;
  const questions = work.questions.map((question) => {
    const placed = { question, column: task.query.columns.indexOf(question.column), at, length: lengthOf(question) };
    if (placed.column === -1) throw unfit(`question ${question.name}: the query has no such column`);
    at += placed.length;
    return placed;
  });
  // A unit's mean has a value of at most 1 beside its count; its histogram's bins add up to 1.
  const normMax = Math.sqrt(questions.reduce((sum, { length }) => sum + (length === 2 ? 2 : 1), 0));
  return { questions, vectorLength: at, scale: privacy === null ? 1 : privacy.normMax / normMax };
}

function lengthOf(question: SurveyQuestion): number {
  const { statistic, low, high, quantiles = [] } = question;
  const fail = (what: string) => unfit(`question ${question.name}: ${what}`);
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) throw fail('low is below high');
  if (statistic === 'count') return 1;
  if (statistic === 'mean') return 2;
  const bins = question.bins ?? binsDefault;
  if (!Number.isInteger(bins) || bins < 3 || bins > surveyLimits.binsMax)
    throw fail(`3 to ${surveyLimits.binsMax} bins`);
  const isOrdered = quantiles.every((share) => share >= 0 && share <= 1);
  if (!isOrdered || quantiles.length > surveyLimits.quantilesMax) throw fail('quantiles between 0 and 1');
  return bins; // at least 3, so that a length tells the statistic
}

function unfit(what: string): SurveyError {
  return new SurveyError('survey-unfit', `the survey: ${what}`);
}
