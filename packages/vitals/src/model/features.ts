import {
  autocorrelationOf,
  centralMoment,
  deviationOf,
  differencesOf,
  meanOf,
  medianOf,
  quantileOf,
  shareOf,
  sortedOf,
} from './statistics.ts';

/** What is measured of a window, in this order; a model file belongs to exactly this list. */
export const featureNames = [
  'mean-seconds',
  'variation',
  'rmssd',
  'median-step',
  'mean-step',
  'median-deviation',
  'range',
  'steps-over-50ms',
  'steps-over-8pc',
  'steps-under-2pc',
  'turning-points',
  'autocorrelation-1',
  'autocorrelation-2',
  'sample-entropy',
  'histogram-entropy',
  'variation-without-ectopy',
  'rmssd-without-ectopy',
  'step-quartile-1',
  'step-quartile-3',
  'step-autocorrelation',
  'poincare-ratio',
  'skewness',
  'middle-range',
] as const;

export const featureCount = featureNames.length;

/** No feature leaves ± this, whatever the window holds. */
export const featureMax = 20;

/**
 * Measures the irregularity of a window's intervals (milliseconds, plausible, in order of time). All but the first
 * are relative to the mean or median, so that a fast and a slow heart compare. Pure; every feature is finite and
 * within ± {@link featureMax}; of fewer than three intervals nothing is said (all zero).
 *
 * Sources: coefficient of variation and successive differences (Langley 2012, Med Eng Phys 34:1441), turning points and RMSSD
 * (Dash 2009), coefficient of sample entropy (Lake & Moorman 2011), ectopic beats taken out first (Petrėnas 2015).
 */
export function featuresOf(intervalsMs: readonly number[]): Float64Array {
  const features = new Float64Array(featureCount);
  if (intervalsMs.length < 3) return features;
  const mean = meanOf(intervalsMs);
  const sorted = sortedOf(intervalsMs);
  const median = quantileOf(sorted, 0.5);
  const differences = differencesOf(intervalsMs);
  const steps = sortedOf(differences.map(Math.abs));
  const cleaned = withoutEctopy(intervalsMs, median);
  const deviation = deviationOf(intervalsMs);
  const values = [
    mean / 1000,
    deviation / mean,
    rootMeanSquare(differences) / mean,
    quantileOf(steps, 0.5) / median,
    meanOf(steps) / mean,
    medianOf(intervalsMs.map((value) => Math.abs(value - median))) / median,
    ((sorted.at(-1) as number) - (sorted[0] as number)) / median, // at least three values
    shareOf(steps, (step) => step > 50),
    shareOf(steps, (step) => step > 0.08 * mean),
    shareOf(steps, (step) => step < 0.02 * mean),
    turningPointShare(intervalsMs),
    autocorrelationOf(intervalsMs, 1),
    autocorrelationOf(intervalsMs, 2),
    sampleEntropyCoefficient(intervalsMs, mean),
    histogramEntropy(intervalsMs, median),
    deviationOf(cleaned) / mean,
    rootMeanSquare(differencesOf(cleaned)) / mean,
    quantileOf(steps, 0.25) / median,
    quantileOf(steps, 0.75) / median,
    autocorrelationOf(differences, 1),
    poincareRatio(intervalsMs),
    deviation < 1e-9 ? 0 : centralMoment(intervalsMs, 3) / deviation ** 3,
    (quantileOf(sorted, 0.8) - quantileOf(sorted, 0.2)) / median,
  ];
  for (const [index, value] of values.entries()) features[index] = bounded(value);
  return features;
}

function bounded(value: number): number {
  return Number.isFinite(value) ? Math.max(-featureMax, Math.min(featureMax, value)) : 0;
}

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(meanOf(values.map((value) => value * value)));
}

/**
 * A premature beat and the pause that makes up for it are replaced by their mean, twice: what is left is the
 * rhythm underneath. In fibrillation few pairs fit, so little is taken away.
 */
function withoutEctopy(values: readonly number[], median: number): readonly number[] {
  const cleaned = [...values];
  for (let index = 0; index + 1 < cleaned.length; index += 1) {
    const early = cleaned[index] as number; // both within the list
    const pause = cleaned[index + 1] as number;
    const isPair =
      early < 0.88 * median && pause > 1.08 * median && Math.abs(early + pause - 2 * median) < 0.2 * median;
    if (!isPair) continue;
    cleaned[index] = (early + pause) / 2;
    cleaned[index + 1] = (early + pause) / 2;
    index += 1;
  }
  return cleaned;
}

/** Share of inner values that are a local extreme; 2/3 for random order. */
function turningPointShare(values: readonly number[]): number {
  let count = 0;
  for (let index = 1; index + 1 < values.length; index += 1) {
    const here = values[index] as number; // index and its neighbours are within the list
    const rise = here - (values[index - 1] as number);
    const fall = here - (values[index + 1] as number);
    if (rise * fall > 0) count += 1;
  }
  return count / (values.length - 2);
}

/**
 * Coefficient of sample entropy, m = 1: −ln(A/B) + ln(2r) − ln(mean), the tolerance r widened until at least five pairs
 * of intervals match one step further, as its authors do for short records.
 */
function sampleEntropyCoefficient(values: readonly number[], mean: number): number {
  let toleranceMs = 10;
  for (let attempt = 0; attempt < 12; attempt += 1) {
    let matches = 0;
    let further = 0;
    for (let one = 0; one + 1 < values.length; one += 1) {
      for (let other = one + 1; other + 1 < values.length; other += 1) {
        if (Math.abs((values[one] as number) - (values[other] as number)) > toleranceMs) continue; // within the list
        matches += 1;
        if (Math.abs((values[one + 1] as number) - (values[other + 1] as number)) <= toleranceMs) further += 1;
      }
    }
    if (further >= 5) return Math.log(matches / further) + Math.log((2 * toleranceMs) / mean);
    toleranceMs *= 1.5;
  }
  return 1;
}

/** Entropy in nats of the intervals over bins 6 % of the median wide. */
function histogramEntropy(values: readonly number[], median: number): number {
  const bins = new Map<number, number>();
  for (const value of values) {
    const bin = Math.round(value / median / 0.06);
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  let entropy = 0;
  for (const count of bins.values()) entropy -= (count / values.length) * Math.log(count / values.length);
  return entropy;
}

/** Short-term over long-term spread of the Poincaré plot, SD1 / SD2, at most 3. */
function poincareRatio(values: readonly number[]): number {
  const sums: number[] = [];
  for (let index = 1; index < values.length; index += 1) {
    sums.push((values[index] as number) + (values[index - 1] as number)); // within the list
  }
  const across = deviationOf(differencesOf(values));
  const along = deviationOf(sums);
  return along < 1e-9 ? 0 : Math.min(3, across / along);
}
