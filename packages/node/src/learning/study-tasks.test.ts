import type { SurveyQuestion, TaskBody, TrainingWork } from '@pulsemesh/board';
import { fixedPointFault, noiseFault } from '@pulsemesh/learning';
import { parsePeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rhythmQuery } from './rhythm-records.ts';
import { type NoiseTerms, type StudyTerms, StudyUnfitError, surveyTask, trainingTask } from './study-tasks.ts';
import { combineOfTask, modelOfTask } from './work-of-task.ts';

const aggregator = parsePeerId('12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN');
const query = {
  name: 'stays',
  version: 1,
  about: 'one row for each stay',
  columns: [
    { name: 'age', unit: 'a', about: 'at admission', low: 0, high: 120 },
    { name: 'days', unit: 'd', about: 'length', low: 0, high: 400 },
  ],
  label: '1: came back within 30 days',
};
const terms: StudyTerms = {
  title: 'A study',
  purpose: 'research/stays',
  query,
  aggregator,
  invited: [],
  sitesMin: 3,
  sitesMax: 100,
  stepMs: 60_000,
  deadlineMs: 2 ** 42,
  codeHash: '0'.repeat(64),
  noise: null,
};
const noise: NoiseTerms = { epsilon: 4, delta: 1e-5, unit: 'patient', normMax: 1 };
const training = { family: 'logistic', rounds: 4, localEpochs: 1, seed: 1, proximal: 0 } as const;
const question: SurveyQuestion = { name: 'age', column: 'age', statistic: 'mean', low: 0, high: 120 };

function trainingOf({ work }: TaskBody): TrainingWork {
  if (work.kind !== 'training') throw new TypeError('not a training');
  return work;
}

describe('terms of a study', () => {
  it('have steps with which no sum of as many sites as may come goes round, or are refused', () => {
    const someNoise = fc.record({
      epsilon: fc.double({ min: 0.1, max: 20, noNaN: true }),
      delta: fc.constantFrom(1e-4, 1e-5, 1e-9),
      unit: fc.constantFrom('site' as const, 'patient' as const),
      normMax: fc.double({ min: 1e-3, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 1000 }), fc.option(someNoise), fc.boolean(), (sitesMax, some, isSurvey) => {
        const study = { ...terms, sitesMax, noise: some };
        const make = () => (isSurvey ? surveyTask(study, [question]) : trainingTask(study, training));
        try {
          const task = make();
          const { sum, privacy } = task;
          const fault =
            privacy === null
              ? fixedPointFault({ ...sum, sites: sitesMax })
              : noiseFault({ sum, privacy, sitesMin: task.sitesMin, sitesMax });
          expect(fault).toBeNull();
          // The model or survey takes it.
          expect(combineOfTask(task).vectorLength(task)).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(StudyUnfitError);
          expect(some).not.toBeNull();
        }
      }),
      { numRuns: 60 },
    );
  });

  it('give noise that keeps the budget over all rounds, and one more round to standardise without noise', () => {
    expect(trainingTask(terms, training)).toMatchObject({ rounds: 5, privacy: null });
    const task = trainingTask({ ...terms, noise }, training);
    expect(task).toMatchObject({ rounds: 4, privacy: { epsilonMax: 4, delta: 1e-5, unit: 'patient', normMax: 1 } });
    expect(task.privacy?.noiseMultiplier).toBeGreaterThan(1);
  });

  it('make the rhythm network, a logistic regression, and FedProx of it', () => {
    const rhythm = trainingTask({ ...terms, query: rhythmQuery }, { ...training, family: 'rhythm' });
    expect(modelOfTask(rhythm).fault(trainingOf(rhythm))).toBeNull();
    const hearts = trainingTask({ ...terms, query: rhythmQuery, noise }, training);
    expect(modelOfTask(hearts).publicStandardisation(trainingOf(hearts))).not.toBeNull();
    const held = trainingTask(terms, { ...training, proximal: 0.1 });
    expect(held.work).toMatchObject({ algorithm: 'fedprox', proximal: 0.1, model: { inputs: 2, parameters: 3 } });
  });

  it('refuse questions after columns that are not there, and trainings without labels', () => {
    expect(() => surveyTask(terms, [{ ...question, column: 'weight' }])).toThrow(/no column weight/);
    expect(() => trainingTask({ ...terms, query: { ...query, label: null } }, training)).toThrow(StudyUnfitError);
  });
});
