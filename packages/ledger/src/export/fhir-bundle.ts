import { sha256 } from '@pulsemesh/crypto';
import { toHex } from '@pulsemesh/wire';
import type { AccessReceipt } from '../access/access-types.ts';
import { decodeAccessReceipt } from '../access/receipt-codec.ts';
import { base64 } from '../market/base64.ts';
import type { JsonValue } from '../offer/canonical-json.ts';
import { auditEvent } from './audit-event.ts';
import { ExportLimitError } from './errors.ts';
import { type ExportContent, exportLimits } from './export-types.ts';
import { concept, type FhirResource, instant, known, systems } from './fhir.ts';
import { alertObservation, predictionObservation, readingObservation, windowObservation } from './observations.ts';

/** A bundle as JSON says it. */
export interface FhirBundle {
  readonly resourceType: 'Bundle';
  readonly type: 'collection';
  readonly identifier: { readonly system: string; readonly value: string };
  readonly timestamp: string;
  readonly entry: readonly { readonly fullUrl: string; readonly resource: FhirResource }[];
}

/**
 * A FHIR R4 Bundle of everything: the consents it was read under; for each read a Provenance with the custodian's receipt inside and an
 * AuditEvent; Observations of what was recorded. The same content gives the same bundle.
 * @throws {ExportLimitError}; {DecodeError} for a receipt that is none.
 */
export function fhirBundle(content: ExportContent): FhirBundle {
  checkLimits(content);
  const { subject } = content;
  const names = namesOf(content);
  const identifier = { system: 'urn:ietf:rfc:3986', value: names() };
  const entry: { fullUrl: string; resource: FhirResource }[] = [];
  const add = (resource: FhirResource) => {
    const fullUrl = names();
    entry.push({ fullUrl, resource });
    return fullUrl;
  };
  const consents = content.consents.map((text) => add(JSON.parse(text) as FhirResource));
  for (const { encoded, custodian } of content.receipts) {
    const receipt = decodeAccessReceipt(encoded);
    const digest = toHex(sha256(encoded));
    add(provenance({ receipt, encoded, digest, custodian, bundle: identifier, consents }));
    add(auditEvent(receipt.record, { custodian, receiptDigest: digest }));
  }
  for (const reading of content.readings) add(readingObservation(subject, reading));
  for (const window of content.windows) add(windowObservation(subject, window));
  for (const prediction of content.predictions) add(predictionObservation(subject, prediction));
  for (const alert of content.alerts) add(alertObservation(subject, alert));
  return {
    resourceType: 'Bundle',
    type: 'collection',
    identifier,
    timestamp: instant(content.generatedMs),
    entry,
  };
}

/** @throws {ExportLimitError} */
export function checkLimits(content: ExportContent): void {
  const records = content.readings.length + content.windows.length + content.predictions.length + content.alerts.length;
  if (records > exportLimits.recordsMax) throw new ExportLimitError('records', exportLimits.recordsMax);
  if (content.receipts.length > exportLimits.receiptsMax)
    throw new ExportLimitError('receipts', exportLimits.receiptsMax);
  if (content.consents.length > exportLimits.consentsMax)
    throw new ExportLimitError('consents', exportLimits.consentsMax);
}

interface ProvenanceInput {
  readonly receipt: AccessReceipt;
  readonly encoded: Uint8Array;
  readonly digest: string;
  readonly custodian: string;
  readonly bundle: { readonly system: string; readonly value: string };
  readonly consents: readonly string[];
}

/** Where the records come from, with the custodian's receipt as its signature: checked by `verifyAccessReceipt`. */
function provenance(input: ProvenanceInput): FhirResource {
  const { receipt, encoded, digest, custodian, bundle, consents } = input;
  const recorded = instant(receipt.record.atMs);
  const who = known(systems.peer, custodian);
  return {
    resourceType: 'Provenance',
    target: [{ type: 'Bundle', identifier: bundle }, ...consents.map((reference) => ({ reference }))],
    recorded,
    agent: [{ type: concept('http://terminology.hl7.org/CodeSystem/provenance-participant-type', 'custodian'), who }],
    entity: [{ role: 'source', what: known(systems.receipt, digest) }],
    signature: [
      {
        // Verification: whoever signs saw it done.
        type: [{ system: 'urn:iso-astm:E1762-95:2013', code: '1.2.840.10065.1.12.1.5' }],
        when: recorded,
        who,
        sigFormat: 'application/cbor',
        data: base64(encoded),
      },
    ],
  } satisfies { readonly [name: string]: JsonValue } & FhirResource;
}

/** UUIDs (RFC 9562, version 8) that follow from the content: one hash, then a number in the last six bytes. */
function namesOf({ subject, generatedMs }: ExportContent): () => string {
  const base = sha256(new TextEncoder().encode(`pulsemesh/export/1\0${subject}\0${generatedMs}`));
  let next = 0;
  return () => {
    const bytes = base.slice(0, 16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    new DataView(bytes.buffer).setUint32(12, next);
    next += 1;
    const hex = toHex(bytes);
    const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
    return `urn:uuid:${parts.join('-')}`;
  };
}
