import { createHash } from 'node:crypto';
import { createSigner } from '@pulsemesh/crypto';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessKind, AccessReceipt, AccessRecord } from '../access/access-types.ts';
import { decodeAccessReceipt, encodeAccessReceipt } from '../access/receipt-codec.ts';
import { consentText } from '../offer/consent.ts';
import { auditEvent } from './audit-event.ts';
import { csvExport, csvPieces, readCsv } from './csv.ts';
import { readCell, readLines, writeCell } from './csv-cells.ts';
import { ExportLimitError, ExportMalformedError } from './errors.ts';
import { type ExportContent, exportLimits, screeningNote } from './export-types.ts';
import { fhirBundle, fhirBundlePieces } from './fhir-bundle.ts';
import { readFhirBundle } from './read-bundle.ts';

const reader = peerIdOfEd25519(createSigner(new Uint8Array(32).fill(1)).publicKey);
const custodian = peerIdOfEd25519(createSigner(new Uint8Array(32).fill(2)).publicKey);
const record: AccessRecord = {
  kind: 'read',
  grantId: `0x${'9a'.repeat(32)}`,
  ordinal: 3,
  reader,
  atMs: 1_700_000_000_123,
  request: `0x${'4e'.repeat(32)}`,
  purpose: 'research/rhythm',
  fromSeconds: 1_699_200_000,
  untilSeconds: 1_699_286_400,
  records: 12,
  bytes: 3_456,
  reason: null,
};
const receipt: AccessReceipt = {
  record,
  salt: new Uint8Array(16).fill(1),
  index: 5,
  path: [new Uint8Array(32).fill(2)],
  checkpoint: new TextEncoder().encode('access.example\n6\nAAAA\n\n— x y\n'),
  request: new TextEncoder().encode('asked'),
  signature: new Uint8Array(64).fill(3),
};
const encoded = encodeAccessReceipt(receipt);
const digest = createHash('sha256').update(encoded).digest('hex');
const consent = consentText({
  organisation: 'St Example',
  recipient: reader,
  title: 'Rhythm',
  explanation: 'For "science"',
  purpose: 'research/rhythm',
  vitals: ['readings'],
  fromSeconds: 1_699_200_000,
  untilSeconds: 1_699_286_400,
  accessForSeconds: 3_600,
  custodians: [custodian],
  compensation: '0',
  token: `0x${'00'.repeat(20)}`,
  atSeconds: 1_699_000_000,
});

const timeMs = fc.nat(2 ** 42);
const startSeconds = fc.nat(2 ** 31).map((seconds) => seconds - (seconds % 10));
const input = fc.constantFrom('rr', 'hr', 'wrist');
const count = fc.nat(1000);
const contents: fc.Arbitrary<ExportContent> = fc.record({
  subject: fc.constantFrom(record.grantId, 'ab'.repeat(16)),
  generatedMs: timeMs,
  consents: fc.subarray([consent]),
  receipts: fc.subarray([{ encoded, custodian }]),
  readings: fc.array(
    fc.record(
      {
        tMs: timeMs,
        bpm: fc.double({ min: 0.1, max: 400, noNaN: true }),
        rrMs: fc.array(fc.integer({ min: 200, max: 3000 }), { minLength: 1, maxLength: 64 }),
      },
      { requiredKeys: ['tMs', 'bpm'] },
    ),
    { maxLength: 5 },
  ),
  windows: fc.array(
    fc.record({
      startSeconds,
      readingCount: count,
      missingSeconds: count,
      implausibleCount: count,
      isUsable: fc.boolean(),
      input,
    }),
    { maxLength: 3 },
  ),
  predictions: fc.array(
    fc.record({
      startSeconds,
      score: fc.option(fc.double({ min: 0, max: 1, noNaN: true }).map((score) => score + 0)),
      input,
      modelId: fc.string(),
    }),
    { maxLength: 3 },
  ),
  alerts: fc.array(
    fc.record({
      alertId: fc.string(),
      event: fc.constantFrom('raised', 'resolved', 'notified', 'acknowledged'),
      atMs: timeMs,
    }),
    { maxLength: 3 },
  ),
});
const content: ExportContent = {
  subject: record.grantId,
  generatedMs: 1_700_000_000_000,
  consents: [consent],
  receipts: [{ encoded, custodian }],
  readings: [{ tMs: 1_699_200_001_500, bpm: 71.5, rrMs: [812, 803] }],
  windows: [],
  predictions: [
    { startSeconds: 1_699_200_000, score: 0.25, input: 'rr', modelId: 'cafe' },
    { startSeconds: 1_699_200_010, score: null, input: 'rr', modelId: 'cafe' },
  ],
  alerts: [{ alertId: 'a1', event: 'raised', atMs: 1_699_200_020_000 }],
};
const hasSubject = ({ readings, windows, predictions, alerts }: ExportContent) =>
  readings.length + windows.length + predictions.length + alerts.length > 0;

describe('a FHIR bundle', () => {
  it('gives back what went into it', () => {
    fc.assert(
      fc.property(contents, (some) => {
        const text = JSON.stringify(fhirBundle(some));
        expect(readFhirBundle(text)).toEqual(hasSubject(some) ? some : { ...some, subject: '' });
        expect(JSON.stringify(fhirBundle(some))).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  it('and a table come in pieces too, for those who have others waiting', () => {
    const readings = Array.from({ length: 5_000 }, (_, index) => ({ tMs: index, bpm: 60 }));
    for (const some of [content, { ...content, readings }, { ...content, readings: readings.slice(0, 505) }]) {
      const pieces = [...fhirBundlePieces(some)];
      expect(pieces.join('')).toBe(JSON.stringify(fhirBundle(some)));
      expect(Math.max(...pieces.map((piece) => piece.split('"fullUrl"').length - 1))).toBeLessThanOrEqual(512);
      const parts = [...csvPieces(some)];
      expect(parts.join('')).toBe(csvExport(some));
      expect(Math.max(...parts.map((part) => part.split('\r\n').length - 1))).toBeLessThanOrEqual(4_096);
    }
  });

  it('is a collection of R4 resources with names of their own', () => {
    const bundle = fhirBundle(content);
    expect(bundle).toMatchObject({ resourceType: 'Bundle', type: 'collection', timestamp: '2023-11-14T22:13:20.000Z' });
    const kinds = bundle.entry.map(({ resource }) => resource.resourceType);
    expect(kinds).toEqual(['Consent', 'Provenance', 'AuditEvent', ...Array(4).fill('Observation')]);
    const names = bundle.entry.map(({ fullUrl }) => fullUrl);
    expect(new Set([...names, bundle.identifier.value]).size).toBe(names.length + 1);
    for (const name of names) {
      expect(name).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    const [, provenance, , reading, prediction, unjudged, alert] = bundle.entry.map(({ resource }) => resource);
    expect(provenance?.['target']).toEqual([
      { type: 'Bundle', identifier: bundle.identifier },
      { reference: names[0] },
    ]);
    expect(reading).toMatchObject({
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
      effectiveDateTime: '2023-11-05T16:00:01.500Z',
      valueQuantity: { value: 71.5, code: '/min' },
      component: [{ valueSampledData: { origin: { value: 0, code: 'ms' }, dimensions: 1, data: '812 803' } }],
    });
    for (const judged of [prediction, unjudged, alert]) {
      expect(judged).toMatchObject({ status: 'preliminary', note: [{ text: screeningNote }] });
    }
    expect(prediction).toMatchObject({ valueQuantity: { value: 0.25 }, method: { text: 'cafe' } });
    expect(unjudged).toMatchObject({ dataAbsentReason: { coding: [{ code: 'not-performed' }] } });
    expect(unjudged).not.toHaveProperty('valueQuantity');
  });

  it('carries the receipt of the read whole', () => {
    const [found] = readFhirBundle(JSON.stringify(fhirBundle(content))).receipts;
    expect(found?.custodian).toBe(custodian);
    expect(decodeAccessReceipt(found?.encoded ?? new Uint8Array(0))).toEqual(receipt);
  });

  it('has limits', () => {
    const readings = Array(exportLimits.recordsMax + 1).fill({ tMs: 1, bpm: 60 });
    expect(() => fhirBundle({ ...content, readings })).toThrow(ExportLimitError);
    expect(() => csvExport({ ...content, readings })).toThrow(ExportLimitError);
    const receipts = Array(exportLimits.receiptsMax + 1).fill(content.receipts[0]);
    expect(() => fhirBundle({ ...content, receipts })).toThrow(ExportLimitError);
    const consents = Array(exportLimits.consentsMax + 1).fill(consent);
    expect(() => fhirBundle({ ...content, consents })).toThrow(ExportLimitError);
  });

  it('that is none is refused, whatever is bent in it', () => {
    const bundle = JSON.parse(JSON.stringify(fhirBundle(content)));
    expect(() => readFhirBundle('{')).toThrow(ExportMalformedError);
    expect(() => readFhirBundle(JSON.stringify({ ...bundle, timestamp: 'now' }))).toThrow(ExportMalformedError);
    expect(() => readFhirBundle(JSON.stringify({ ...bundle, entry: {} }))).toThrow(ExportMalformedError);
    const others = bundle.entry.map((entry: object, index: number) =>
      index === 3
        ? { ...entry, resource: { ...bundle.entry[3].resource, subject: { identifier: { value: 'x' } } } }
        : entry,
    );
    expect(() => readFhirBundle(JSON.stringify({ ...bundle, entry: others }))).toThrow('several subjects');
    const paths = [
      ['code', 'coding'],
      ['effectivePeriod', 'start'],
      ['effectiveDateTime'],
      ['valueQuantity', 'value'],
      ['component'],
      ['signature'],
      ['resourceType'],
      ['method'],
      ['identifier'],
      ['valueCodeableConcept'],
    ];
    fc.assert(
      fc.property(fc.nat(bundle.entry.length - 1), fc.constantFrom(...paths), fc.jsonValue(), (at, path, value) => {
        const bent = structuredClone(bundle);
        let target = bent.entry[at].resource;
        for (const step of path.slice(0, -1)) target = target[step] ?? {};
        target[path.at(-1) as string] = value;
        try {
          readFhirBundle(JSON.stringify(bent));
        } catch (error) {
          expect(error).toBeInstanceOf(ExportMalformedError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a table', () => {
  it('gives back what went into it', () => {
    fc.assert(
      fc.property(contents, (some) => {
        const found = readCsv(csvExport(some));
        expect(found).toMatchObject({ subject: some.subject, generatedMs: some.generatedMs });
        expect(found.receiptDigests).toEqual(some.receipts.map(() => digest));
        const rows = (name: string) => found.rows.filter((row) => row['record'] === name);
        const readings = rows('reading').map((row) => ({
          tMs: Number(row['t_ms']),
          bpm: Number(row['heart_rate_bpm']),
          ...(row['rr_ms'] && { rrMs: row['rr_ms'].split(' ').map(Number) }),
        }));
        expect(readings).toEqual(some.readings);
        expect(rows('window').map((row) => row['usable'] === 'true')).toEqual(some.windows.map((w) => w.isUsable));
        expect(rows('window').map((row) => Number(row['missing_seconds']))).toEqual(
          some.windows.map(({ missingSeconds }) => missingSeconds),
        );
        const scores = rows('prediction').map((row) => (row['score'] === undefined ? null : Number(row['score'])));
        expect(scores).toEqual(some.predictions.map(({ score }) => score));
        expect(rows('prediction').map((row) => row['model_id'] ?? '')).toEqual(some.predictions.map((p) => p.modelId));
        expect(rows('alert').map((row) => row['alert_id'] ?? '')).toEqual(some.alerts.map((a) => a.alertId));
      }),
      { numRuns: 60 },
    );
  });

  it('says whose it is, with which receipts, and that nothing in it is a diagnosis', () => {
    const [title, subject, generated, receiptLine, note, header, first] = csvExport(content).split('\r\n');
    expect(title).toBe('# Pulsemesh export 1');
    expect(subject).toBe(`# subject: ${record.grantId}`);
    expect(generated).toBe('# generated: 2023-11-14T22:13:20.000Z');
    expect(receiptLine).toBe(`# receipt sha-256: ${digest} by ${custodian}`);
    expect(note).toBe(`# ${screeningNote}`);
    expect(header).toMatch(/^record,time,t_ms,heart_rate_bpm,rr_ms,/);
    expect(first).toBe('reading,2023-11-05T16:00:01.500Z,1699200001500,71.5,812 803,,,,,,,,,');
  });

  it('lets no comment become a row', () => {
    const subject = 'x\r\nreading,1,2\u2028y';
    expect(readCsv(csvExport({ ...content, subject })).rows).toHaveLength(4);
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', "'=1", "''-2", '=HYPERLINK("http://x","y")'])(
    'writes no cell that a spreadsheet reckons: %j',
    (text) => {
      const [cells] = [...readLines(writeCell(text))];
      expect(cells?.[0]).toMatch(/^'/);
      expect(readCell(cells?.[0] ?? '')).toBe(text);
    },
  );

  it('has cells of any text, which are read back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 4 }), { minLength: 1 }),
        (rows) => {
          const text = rows.map((cells) => `${cells.map(writeCell).join(',')}\r\n`).join('');
          expect([...readLines(text)].map((cells) => cells.map(readCell))).toEqual(rows);
        },
      ),
    );
  });

  it('that is none is refused', () => {
    const good = csvExport(content);
    for (const text of [
      '',
      '#',
      '# x\r\n',
      good.replace('t_ms', 'tms'),
      `${good}a,b\r\n`,
      `${good}"`,
      `${good}a"b\r\n`,
    ]) {
      expect(() => readCsv(text)).toThrow(ExportMalformedError);
    }
    expect(() => readCsv(good.replace('generated', 'made'))).toThrow(ExportMalformedError);
    expect(() => readCsv(good.replace('# subject', '# subjekt'))).toThrow(ExportMalformedError);
    const endless = '# x\r\n'.repeat(exportLimits.receiptsMax + 10);
    expect(() => readCsv(`# Pulsemesh export 1\r\n${endless}`)).toThrow(ExportMalformedError);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => readCsv(text)).toThrow(ExportMalformedError);
      }),
    );
  });
});

describe('an AuditEvent', () => {
  it('says who read what, when, why, under which grant, and where the receipt is', () => {
    expect(auditEvent(record, { custodian, receiptDigest: digest })).toEqual({
      resourceType: 'AuditEvent',
      type: { system: 'http://dicom.nema.org/resources/ontology/DCM', code: '110106', display: 'Export' },
      subtype: [{ system: 'urn:pulsemesh:access', code: 'read' }],
      action: 'R',
      period: { start: '2023-11-05T16:00:00.000Z', end: '2023-11-06T16:00:00.000Z' },
      recorded: '2023-11-14T22:13:20.123Z',
      outcome: '0',
      purposeOfEvent: [{ coding: [{ system: 'urn:pulsemesh:purpose', code: 'research/rhythm' }] }],
      agent: [
        { who: { identifier: { system: 'urn:pulsemesh:peer', value: reader } }, requestor: true },
        { who: { identifier: { system: 'urn:pulsemesh:peer', value: custodian } }, requestor: false },
      ],
      source: { observer: { identifier: { system: 'urn:pulsemesh:peer', value: custodian } } },
      entity: [
        {
          what: { identifier: { system: 'urn:pulsemesh:grant', value: record.grantId } },
          detail: [
            { type: 'ordinal', valueString: '3' },
            { type: 'records', valueString: '12' },
            { type: 'bytes', valueString: '3456' },
          ],
        },
        { what: { identifier: { system: 'urn:pulsemesh:access:request', value: record.request } } },
        { what: { identifier: { system: 'urn:pulsemesh:access-receipt', value: digest } } },
      ],
    });
  });

  it('of every kind has what R4 asks for, and nothing empty', () => {
    const kinds: readonly AccessKind[] = [
      'read',
      'release',
      'denied',
      'asked',
      'refused',
      'accepted',
      'revoked',
      'emergency',
    ];
    for (const kind of kinds) {
      const nothing = { fromSeconds: 0, untilSeconds: 0, purpose: '' };
      const event = auditEvent({ ...record, ...nothing, kind, reason: 'revoked' }, { custodian, receiptDigest: null });
      expect(Object.keys(event)).toEqual(expect.arrayContaining(['type', 'recorded', 'agent', 'source']));
      expect(event['outcome']).toBe(kind === 'denied' || kind === 'refused' ? '4' : '0');
      expect(event['outcomeDesc']).toBe('revoked');
      expect(event).not.toHaveProperty('period');
      expect(event).not.toHaveProperty('purposeOfEvent');
      expect(JSON.stringify(event)).not.toMatch(/""|null|\[\]|\{\}/);
    }
  });
});
