import type { JsonValue } from '../offer/canonical-json.ts';

/** Systems of FHIR codes and identifiers. */
export const systems = {
  loinc: 'http://loinc.org',
  units: 'http://unitsofmeasure.org',
  observationCategory: 'http://terminology.hl7.org/CodeSystem/observation-category',
  dataAbsentReason: 'http://terminology.hl7.org/CodeSystem/data-absent-reason',
  dicom: 'http://dicom.nema.org/resources/ontology/DCM',
  purpose: 'urn:pulsemesh:purpose',
  measure: 'urn:pulsemesh:measure',
  subject: 'urn:pulsemesh:subject',
  peer: 'urn:pulsemesh:peer',
  grant: 'urn:pulsemesh:grant',
  access: 'urn:pulsemesh:access',
  receipt: 'urn:pulsemesh:access-receipt',
} as const;

export function concept(system: string, code: string, text?: string) {
  return { coding: [{ system, code }], ...(text !== undefined && { text }) };
}

/** Who or what is known by a number alone. */
export function known(system: string, value: string) {
  return { identifier: { system, value } };
}

export function quantity(value: number, unit: string, code: string) {
  return { value, unit, system: systems.units, code };
}

/** FHIR's `instant` of milliseconds since 1970. */
export function instant(atMs: number): string {
  return new Date(atMs).toISOString();
}

export type FhirResource = { readonly resourceType: string } & { readonly [name: string]: JsonValue };
