import type { TaskBody } from '@pulsemesh/board';
import { rhythmQuery } from './rhythm-records.ts';
import { type StudyTerms, type TrainingTerms, trainingTask } from './study-tasks.ts';

/** What of a rhythm training its publisher chooses. */
export interface RhythmTaskOptions
  extends Omit<StudyTerms, 'purpose' | 'query' | 'noise'>,
    Pick<TrainingTerms, 'rounds' | 'localEpochs' | 'seed'> {}

/** The purpose that consents must name. */
export const rhythmPurpose = 'research/rhythm';

/** A task that trains the rhythm network of the prediction role over several sites, without noise. */
export function rhythmTask({ rounds, localEpochs, seed, ...terms }: RhythmTaskOptions): TaskBody {
  const training = { family: 'rhythm', rounds, localEpochs, seed, proximal: 0 } as const;
  return trainingTask({ ...terms, purpose: rhythmPurpose, query: rhythmQuery, noise: null }, training);
}
