import type { PrivacyTerms, TaskBody } from '@pulsemesh/board';
import { defaultTrainerOptions, featureNames, sharedParameterCount } from '@pulsemesh/vitals/model';
import type { PeerId } from '@pulsemesh/wire';
import { rhythmQuery } from './rhythm-records.ts';

/** What of a rhythm training its publisher chooses. */
export interface RhythmTaskOptions {
  readonly title: string;
  readonly aggregator: PeerId | null;
  readonly invited: readonly PeerId[];
  readonly sitesMin: number;
  readonly sitesMax: number;
  /** Of training; one more that standardises comes before them where there is no noise. */
  readonly rounds: number;
  readonly localEpochs: number;
  readonly stepMs: number;
  readonly deadlineMs: number;
  readonly seed: number;
  readonly privacy: PrivacyTerms | null;
  readonly codeHash: string;
}

/** The purpose that consents must name. */
export const rhythmPurpose = 'research/rhythm';

/** A task that trains the rhythm network of the prediction role over several sites. */
export function rhythmTask(options: RhythmTaskOptions): TaskBody {
  const { localEpochs, seed, rounds, privacy, ...terms } = options;
  const { hidden, batchSize, learningRate, weightDecay } = defaultTrainerOptions;
  const { name, version } = rhythmQuery;
  return {
    ...terms,
    privacy,
    rounds: rounds + (privacy === null ? 1 : 0),
    purpose: rhythmPurpose,
    work: {
      kind: 'training',
      model: { family: 'rhythm', inputs: featureNames.length, hidden, parameters: sharedParameterCount(hidden) },
      algorithm: 'fedavg',
      proximal: 0,
      localEpochs,
      batchSize,
      learningRate,
      weightDecay,
      seed,
    },
    query: { name, version, columns: featureNames },
    sum: {
      range: 16,
      steps: 2 ** 22,
      neighbours: 'all',
      threshold: Math.max(2, Math.ceil((2 * options.sitesMin) / 3)),
    },
  };
}
