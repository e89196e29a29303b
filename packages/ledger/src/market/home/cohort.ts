import type { CohortCriteria } from '../messages.ts';
import type { PatientProfile } from '../offices.ts';
import type { CatalogueEntryView } from '../views.ts';

/** True where what a home knows of a patient meets all that is asked for. */
export function isInCohort(profile: PatientProfile, criteria: CohortCriteria): boolean {
  const { recordedHoursMin, irregular, input } = criteria;
  return (
    (recordedHoursMin === undefined || profile.recordedHours >= recordedHoursMin) &&
    (irregular === undefined || profile.irregular === irregular) &&
    (input === undefined || profile.inputs.includes(input))
  );
}

/** Cohorts that a catalogue counts: fixed, so that nobody can ask for ever narrower ones. */
export const catalogueCriteria: readonly CohortCriteria[] = [
  {},
  { recordedHoursMin: 24 },
  { recordedHoursMin: 24 * 7 },
  { recordedHoursMin: 24 * 30 },
  { irregular: true },
  { irregular: true, recordedHoursMin: 24 },
  { input: 'rr' },
  { input: 'hr' },
  { input: 'wrist' },
];

type Cohorts = CatalogueEntryView['cohorts'];

/** Counts patients by cohort: fewer than `countMin` are left out, others rounded down to a multiple of it. */
export function cohortsOf(profiles: readonly PatientProfile[], countMin: number): Cohorts {
  const step = Math.max(1, countMin);
  return catalogueCriteria
    .map((criteria) => {
      const patients = profiles.filter((profile) => isInCohort(profile, criteria)).length;
      return { criteria, patients: Math.floor(patients / step) * step, vitals } as const;
    })
    .filter(({ patients }) => patients > 0);
}

const vitals = ['readings', 'windows', 'predictions', 'alerts'] as const;
