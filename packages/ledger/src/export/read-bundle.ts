import { canonicalJson, type JsonValue } from '../offer/canonical-json.ts';
import { ExportMalformedError } from './errors.ts';
import {
  type ExportAlert,
  type ExportContent,
  type ExportInputKind,
  type ExportPrediction,
  type ExportReading,
  type ExportReceipt,
  type ExportWindow,
  exportLimits,
} from './export-types.ts';
import { systems } from './fhir.ts';
import { measures } from './observations.ts';

type Json = { readonly [name: string]: unknown };

interface Found {
  readonly consents: string[];
  readonly receipts: ExportReceipt[];
  readonly readings: ExportReading[];
  readonly windows: ExportWindow[];
  readonly predictions: ExportPrediction[];
  readonly alerts: ExportAlert[];
}

const alertEvents: readonly ExportAlert['event'][] = ['raised', 'resolved', 'notified', 'acknowledged'];
const inputKinds: readonly ExportInputKind[] = ['rr', 'hr', 'wrist'];

/**
 * Reads a bundle that `fhirBundle` made: what went in comes out. AuditEvents, which say again what receipts say, are passed over.
 * @throws {ExportMalformedError}
 */
export function readFhirBundle(text: string): ExportContent {
  if (text.length > exportLimits.charactersMax) throw new ExportMalformedError('length');
  const bundle = objectOf(parse(text), 'bundle');
  const entries = bundle['entry'];
  const entriesMax = exportLimits.recordsMax + 2 * exportLimits.receiptsMax + exportLimits.consentsMax;
  if (bundle['resourceType'] !== 'Bundle' || !Array.isArray(entries) || entries.length > entriesMax)
    throw new ExportMalformedError('bundle');
  const found: Found = { consents: [], receipts: [], readings: [], windows: [], predictions: [], alerts: [] };
  const subjects = new Set<string>();
  entries.forEach((entry: unknown, index) => {
    const where = `entry ${index}`;
    const resource = objectOf(objectOf(entry, where)['resource'], where);
    readResource(resource, found, subjects, where);
  });
  const [subject = ''] = subjects;
  if (subjects.size > 1) throw new ExportMalformedError('several subjects');
  return { subject, generatedMs: timeOf(bundle['timestamp'], 'timestamp'), ...found };
}

function readResource(resource: Json, found: Found, subjects: Set<string>, where: string): void {
  switch (resource['resourceType']) {
    case 'Consent':
      found.consents.push(canonicalJson(resource as JsonValue)); // parsed from JSON
      break;
    case 'Provenance':
      found.receipts.push(receiptOf(resource, where));
      break;
    case 'AuditEvent':
      break;
    case 'Observation':
      subjects.add(identifierIn(resource['subject'], where));
      readObservation(resource, found, where);
      break;
    default:
      throw new ExportMalformedError(where);
  }
}

function readObservation(resource: Json, found: Found, where: string): void {
  const [coding] = listOf(objectOf(resource['code'], where)['coding'], where);
  switch (objectOf(coding, where)['code']) {
    case '8867-4':
      found.readings.push(readingOf(resource, where));
      break;
    case measures.window:
      found.windows.push(windowOf(resource, where));
      break;
    case measures.score:
      found.predictions.push(predictionOf(resource, where));
      break;
    case measures.alert:
      found.alerts.push(alertOf(resource, where));
      break;
    default:
      throw new ExportMalformedError(where);
  }
}

function readingOf(resource: Json, where: string): ExportReading {
  const tMs = timeOf(resource['effectiveDateTime'], where);
  const bpm = numberOf(objectOf(resource['valueQuantity'], where)['value'], where);
  if (resource['component'] === undefined) return { tMs, bpm };
  const [component] = listOf(resource['component'], where);
  const data = objectOf(objectOf(component, where)['valueSampledData'], where)['data'];
  const samples = textOf(data, where).split(' ');
  if (samples.length > exportLimits.intervalsMax) throw new ExportMalformedError(where);
  return { tMs, bpm, rrMs: samples.map((sample) => numberOf(sample === '' ? null : Number(sample), where)) };
}

function windowOf(resource: Json, where: string): ExportWindow {
  const component = componentsOf(resource, where);
  return {
    startSeconds: startOf(resource, where),
    readingCount: numberOf(component(measures.readingCount, 'valueInteger'), where),
    missingSeconds: numberOf(component(measures.missingSeconds, 'valueInteger'), where),
    implausibleCount: numberOf(component(measures.implausibleCount, 'valueInteger'), where),
    isUsable: component(measures.usable, 'valueBoolean') === true,
    input: oneOf(component(measures.input, 'valueString'), inputKinds, where),
  };
}

function predictionOf(resource: Json, where: string): ExportPrediction {
  const value = resource['valueQuantity'];
  return {
    startSeconds: startOf(resource, where),
    score: value === undefined ? null : numberOf(objectOf(value, where)['value'], where),
    input: oneOf(componentsOf(resource, where)(measures.input, 'valueString'), inputKinds, where),
    modelId: textOf(objectOf(resource['method'], where)['text'], where),
  };
}

function alertOf(resource: Json, where: string): ExportAlert {
  const [identifier] = listOf(resource['identifier'], where);
  const [event] = listOf(objectOf(resource['valueCodeableConcept'], where)['coding'], where);
  return {
    alertId: textOf(objectOf(identifier, where)['value'], where),
    event: oneOf(objectOf(event, where)['code'], alertEvents, where),
    atMs: timeOf(resource['effectiveDateTime'], where),
  };
}

function receiptOf(resource: Json, where: string): ExportReceipt {
  const [signature] = listOf(resource['signature'], where);
  const { who, data } = objectOf(signature, where);
  try {
    const encoded = Uint8Array.from(atob(textOf(data, where)), (character) => character.charCodeAt(0));
    return { encoded, custodian: identifierIn(who, where) };
  } catch (cause) {
    if (cause instanceof ExportMalformedError) throw cause;
    throw new ExportMalformedError(where); // no base64
  }
}

function componentsOf(resource: Json, where: string): (code: string, value: string) => unknown {
  const components = listOf(resource['component'], where).map((component) => objectOf(component, where));
  return (code, value) => {
    const found = components.find((component) => {
      const [coding] = listOf(objectOf(component['code'], where)['coding'], where);
      const fields = objectOf(coding, where);
      return fields['system'] === systems.measure && fields['code'] === code;
    });
    return found?.[value];
  };
}

function startOf(resource: Json, where: string): number {
  return timeOf(objectOf(resource['effectivePeriod'], where)['start'], where) / 1000;
}

function identifierIn(reference: unknown, where: string): string {
  return textOf(objectOf(objectOf(reference, where)['identifier'], where)['value'], where);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ExportMalformedError('JSON');
  }
}

function objectOf(value: unknown, where: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ExportMalformedError(where);
  return value as Json; // an object, its members unknown
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > 64) throw new ExportMalformedError(where);
  return value;
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new ExportMalformedError(where);
  return value;
}

function numberOf(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new ExportMalformedError(where);
  return value;
}

function timeOf(value: unknown, where: string): number {
  return numberOf(Date.parse(textOf(value, where)), where);
}

function oneOf<T extends string>(value: unknown, known: readonly T[], where: string): T {
  const found = known.find((item) => item === value);
  if (found === undefined) throw new ExportMalformedError(where);
  return found;
}
