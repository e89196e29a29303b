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
 * AuditEvent; Observations of what was recorded. The same content gives the same bundle. Large ones: {@link fhirBundlePieces}.
 * @throws {ExportLimitError}; {DecodeError} for a receipt that is none.
 */
export function fhirBundle(content: ExportContent): FhirBundle {
  checkLimits(content);
  const names = namesOf(content);
  const head = headOf(content, names);
  return { ...head, entry: [...entriesOf(content, head.identifier, names)] };
}

/**
 * The text of {@link fhirBundle} in pieces of at most 512 entries, so that whoever writes it can let others work between two: a day of readings
 * is 70 MB.
 * @throws as `fhirBundle`.
 */
export function* fhirBundlePieces(content: ExportContent): Iterable<string> {
  checkLimits(content);
  const names = namesOf(content);
  const head = headOf(content, names);
  yield `${JSON.stringify(head).slice(0, -1)},"entry":[`;
  let piece: string[] = [];
  let separator = '';
  for (const entry of entriesOf(content, head.identifier, names)) {
    piece.push(JSON.stringify(entry));
    if (piece.length < entriesPerPiece) continue;
    yield separator + piece.join(',');
    separator = ',';
    piece = [];
  }
  if (piece.length > 0) yield separator + piece.join(',');
  yield ']}';
}

const entriesPerPiece = 512;

function headOf(content: ExportContent, names: () => string): Omit<FhirBundle, 'entry'> {
  return {
    resourceType: 'Bundle',
    type: 'collection',
    identifier: { system: 'urn:ietf:rfc:3986', value: names() },
    timestamp: instant(content.generatedMs),
  };
}

function* entriesOf(
  content: ExportContent,
  bundle: FhirBundle['identifier'],
  names: () => string,
): Iterable<FhirBundle['entry'][number]> {
  const { subject } = content;
  const entry = (resource: FhirResource) => ({ fullUrl: names(), resource });
  const consents = content.consents.map((text) => entry(JSON.parse(text) as FhirResource));
  yield* consents;
  const references = consents.map(({ fullUrl }) => fullUrl);
  for (const { encoded, custodian } of content.receipts) {
    const receipt = decodeAccessReceipt(encoded);
    const digest = toHex(sha256(encoded));
    yield entry(provenance({ receipt, encoded, digest, custodian, bundle, consents: references }));
    yield entry(auditEvent(receipt.record, { custodian, receiptDigest: digest }));
  }
  for (const reading of content.readings) yield entry(readingObservation(subject, reading));
  for (const window of content.windows) yield entry(windowObservation(subject, window));
  for (const prediction of content.predictions) yield entry(predictionObservation(subject, prediction));
  for (const alert of content.alerts) yield entry(alertObservation(subject, alert));
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
