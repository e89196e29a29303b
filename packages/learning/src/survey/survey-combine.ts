import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { z } from 'zod';
import { siteDeviationSteps } from '../privacy/noise.ts';
import type { Combine, RoundOfWork } from '../rounds/work.ts';
import { decodeFixedPoint } from '../secure-sum/index.ts';
import { type PlacedQuestion, SurveyError, type SurveyLayout, surveyLayoutOf, surveyLimits } from './questions.ts';
import { surveyFirstInput } from './survey-work.ts';

const figure = z.number().nullable();
const answerSchema = z.strictObject({
  name: z.string(),
  /** Units (patients, or sites) that answered; with noise, about. */
  count: figure,
  mean: figure,
  /** Units per bin, from low to high. */
  bins: z.array(figure).max(surveyLimits.binsMax),
  /** In the order in which the question names them. */
  quantiles: z.array(figure).max(surveyLimits.quantilesMax),
  /** One deviation of the noise of a count or bin, in units; 0 without privacy terms. */
  deviation: z.number(),
});
const resultSchema = z.strictObject({ answers: z.array(answerSchema).max(surveyLimits.questionsMax) });

/** What a survey found. Null where fewer than `surveyLimits.smallCountMin` units are concerned. */
export type SurveyResult = z.infer<typeof resultSchema>;
export type SurveyAnswer = SurveyResult['answers'][number];

const resultBytesMax = 4 * 1024 * 1024;

/**
 * What is published of a survey's sum. Small counts are left out here; whoever sums sees them (the aggregator, or the sites where
 * there is none), but of nobody alone.
 */
export function createSurveyCombine(): Combine {
  return {
    vectorLength: (task) => surveyLayoutOf(task).vectorLength,
    firstInput: () => surveyFirstInput,
    combine(round, { vector, sites }) {
      const layout = surveyLayoutOf(round.task);
      if (vector.length !== layout.vectorLength || sites < 1) throw outOfBounds('another length');
      const deviation = deviationOf(round, layout, sites);
      const values = decodeFixedPoint(vector, { ...round.task.sum, sites: round.task.sitesMax }).map(
        (value) => value / layout.scale,
      );
      return encodeCbor({ answers: layout.questions.map((placed) => answerOf(placed, values, deviation)) });
    },
  };
}

/** @throws {SurveyError} `survey-result-malformed`. */
export function decodeSurveyResult(bytes: Uint8Array): SurveyResult {
  try {
    return resultSchema.parse(decodeCbor(bytes, { bytesMax: resultBytesMax, depthMax: 5 }));
  } catch (cause) {
    throw new SurveyError('survey-result-malformed', 'not the result of a survey', cause);
  }
}

/** One deviation of the sum's noise, in units; 0 without. */
function deviationOf({ task }: RoundOfWork, { scale }: SurveyLayout, sites: number): number {
  if (task.privacy === null) return 0;
  const site = siteDeviationSteps({ ...task, privacy: task.privacy }) / task.sum.steps / scale;
  return site * Math.sqrt(sites);
}

function answerOf({ question, at, length }: PlacedQuestion, values: Float64Array, deviation: number): SurveyAnswer {
  const { name, statistic, low, high } = question;
  const part = values.subarray(at, at + length);
  const room = 1e-3 + 8 * deviation;
  const nothing = { name, count: null, mean: null, bins: [], quantiles: [], deviation };
  if (statistic === 'count' || statistic === 'mean') {
    const [count = 0, sum = 0] = part;
    if (count < -room || Math.abs(sum) > Math.abs(count) + 2 * room) throw outOfBounds(name);
    if (count < surveyLimits.smallCountMin) return nothing;
    const isMean = statistic === 'mean';
    const share = Math.max(-1, Math.min(1, sum / count));
    return { ...nothing, count: rounded(count), mean: isMean ? low + ((share + 1) / 2) * (high - low) : null };
  }
  if (part.some((bin) => bin < -room)) throw outOfBounds(name);
  const bins = part.map((bin) => Math.max(0, bin));
  const count = bins.reduce((sum, bin) => sum + bin, 0);
  if (count < surveyLimits.smallCountMin) return nothing;
  // The least of all, or the largest, is somebody's own. Noise covers that where there is any.
  const isOfMany = (share: number) => Math.min(share, 1 - share) * count >= surveyLimits.smallCountMin;
  const quantiles = (question.quantiles ?? []).map((share) =>
    deviation > 0 || isOfMany(share) ? quantileOf(bins, share * count, { low, high }) : null,
  );
  const shown = statistic === 'histogram' ? suppressed([...bins]) : [];
  return { ...nothing, count: rounded(count), bins: shown, quantiles };
}

/** Counts that are whole but for the rounding of encoded parts are told as whole. */
function rounded(count: number): number {
  return Math.abs(count - Math.round(count)) < 1e-3 ? Math.round(count) : count;
}

/** Small bins are left out; as long as these hold few units together, the next smallest too, for the total would tell of them. */
function suppressed(bins: readonly number[]): (number | null)[] {
  const isSmall = (bin: number) => bin > 1e-9 && bin < surveyLimits.smallCountMin;
  const hidden = new Set([...bins.keys()].filter((index) => isSmall(bins[index] ?? 0)));
  const hiddenUnits = () => [...hidden].reduce((sum, index) => sum + (bins[index] ?? 0), 0);
  const others = [...bins.keys()]
    .filter((index) => !hidden.has(index) && (bins[index] ?? 0) > 0)
    .sort((one, other) => (bins[one] ?? 0) - (bins[other] ?? 0));
  for (const next of others) {
    if (hidden.size === 0 || (hidden.size > 1 && hiddenUnits() >= surveyLimits.smallCountMin)) break;
    hidden.add(next);
  }
  return bins.map((bin, index) => (hidden.has(index) ? null : rounded(bin)));
}

/** Where `below` units lie under, by linear interpolation within a bin: true to a bin's width. */
function quantileOf(
  bins: Float64Array,
  below: number,
  { low, high }: { readonly low: number; readonly high: number },
): number {
  const width = (high - low) / bins.length;
  let seen = 0;
  for (const [index, bin] of bins.entries()) {
    if (bin > 0 && seen + bin >= below) return low + width * (index + (below - seen) / bin);
    seen += bin;
  }
  return high;
}

function outOfBounds(what: string): SurveyError {
  return new SurveyError('survey-sum-out-of-bounds', `the sum is none of honest sites: ${what}`);
}
