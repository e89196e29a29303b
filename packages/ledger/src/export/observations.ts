import type { JsonValue } from '../offer/canonical-json.ts';
import {
  type ExportAlert,
  type ExportPrediction,
  type ExportReading,
  type ExportWindow,
  screeningNote,
} from './export-types.ts';
import { concept, type FhirResource, instant, known, quantity, systems } from './fhir.ts';

/** Codes of what LOINC has no word for. */
export const measures = {
  intervals: 'rr-intervals',
  window: 'window',
  score: 'irregularity-score',
  alert: 'irregular-rhythm-alert',
  readingCount: 'reading-count',
  missingSeconds: 'missing-seconds',
  implausibleCount: 'implausible-count',
  usable: 'usable',
  input: 'input',
} as const;

const windowMs = 10_000;
const heartRateCode = '8867-4';

/** LOINC 8867-4; the RR intervals of the reading beside it, where there are any. */
export function readingObservation(subject: string, { tMs, bpm, rrMs = [] }: ExportReading): FhirResource {
  return {
    ...head(subject, 'vital-signs'),
    code: concept(systems.loinc, heartRateCode, 'Heart rate'),
    effectiveDateTime: instant(tMs),
    valueQuantity: quantity(bpm, 'beats/minute', '/min'),
    ...(rrMs.length > 0 && { component: [intervals(rrMs)] }),
  };
}

/** Samples are intervals themselves, so that no period lies between them. */
function intervals(rrMs: readonly number[]): JsonValue {
  return {
    code: concept(systems.measure, measures.intervals, 'RR intervals, oldest first'),
    valueSampledData: {
      origin: quantity(0, 'ms', 'ms'),
      period: 0,
      dimensions: 1,
      data: rrMs.join(' '),
    },
  };
}

/** How well ten seconds were measured. */
export function windowObservation(subject: string, window: ExportWindow): FhirResource {
  return {
    ...head(subject, 'procedure'),
    code: concept(systems.measure, measures.window, 'Ten seconds and their quality'),
    effectivePeriod: periodOf(window.startSeconds),
    component: [
      { code: concept(systems.measure, measures.readingCount), valueInteger: window.readingCount },
      { code: concept(systems.measure, measures.missingSeconds), valueInteger: window.missingSeconds },
      { code: concept(systems.measure, measures.implausibleCount), valueInteger: window.implausibleCount },
      { code: concept(systems.measure, measures.usable), valueBoolean: window.isUsable },
      { code: concept(systems.measure, measures.input), valueString: window.input },
    ],
  };
}

/** The model's score, never a finding. */
export function predictionObservation(subject: string, prediction: ExportPrediction): FhirResource {
  const { score } = prediction;
  return {
    ...head(subject, 'procedure'),
    status: 'preliminary',
    code: concept(systems.measure, measures.score, 'Irregularity of the rhythm, 0 to 1'),
    effectivePeriod: periodOf(prediction.startSeconds),
    ...(score === null
      ? { dataAbsentReason: concept(systems.dataAbsentReason, 'not-performed') }
      : { valueQuantity: quantity(score, '1', '1') }),
    method: { text: prediction.modelId },
    note: [{ text: screeningNote }],
    component: [{ code: concept(systems.measure, measures.input), valueString: prediction.input }],
  };
}

/** What happened to an alert. */
export function alertObservation(subject: string, alert: ExportAlert): FhirResource {
  return {
    ...head(subject, 'procedure'),
    status: 'preliminary',
    identifier: [{ system: systems.measure, value: alert.alertId }],
    code: concept(systems.measure, measures.alert, 'Alert: irregular rhythm'),
    effectiveDateTime: instant(alert.atMs),
    valueCodeableConcept: concept(systems.measure, alert.event),
    note: [{ text: screeningNote }],
  };
}

function head(subject: string, category: 'vital-signs' | 'procedure') {
  return {
    resourceType: 'Observation',
    status: 'final',
    category: [concept(systems.observationCategory, category)],
    subject: known(systems.subject, subject),
  };
}

function periodOf(startSeconds: number) {
  return { start: instant(startSeconds * 1000), end: instant(startSeconds * 1000 + windowMs) };
}
