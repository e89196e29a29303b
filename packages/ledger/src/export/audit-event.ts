import type { AccessKind, AccessRecord } from '../access/access-types.ts';
import { type FhirResource, instant, known, systems } from './fhir.ts';

/** What DICOM's vocabulary (PS3.16 CID 400) calls each kind, and whether data or keys left. */
const kinds: Readonly<
  Record<AccessKind, { readonly code: string; readonly display: string; readonly action: 'R' | 'E' }>
> = {
  read: { code: '110106', display: 'Export', action: 'R' },
  release: { code: '110106', display: 'Export', action: 'R' },
  denied: { code: '110113', display: 'Security Alert', action: 'R' },
  asked: { code: '110110', display: 'Patient Record', action: 'E' },
  refused: { code: '110110', display: 'Patient Record', action: 'E' },
  accepted: { code: '110110', display: 'Patient Record', action: 'E' },
  revoked: { code: '110110', display: 'Patient Record', action: 'E' },
  emergency: { code: '110127', display: 'Emergency Override Started', action: 'R' },
};

/** Where a record stands, beside what it says. */
export interface AuditSource {
  /** Peer id of the custodian whose log it is in. */
  readonly custodian: string;
  /** SHA-256 of the encoded receipt, lower-case hex; null: none at hand. */
  readonly receiptDigest: string | null;
}

/** The FHIR R4 AuditEvent of an access: who, what, when, why, by whose word, and whether it was let through. */
export function auditEvent(record: AccessRecord, { custodian, receiptDigest }: AuditSource): FhirResource {
  const { code, display, action } = kinds[record.kind];
  const isDenied = record.kind === 'denied' || record.kind === 'refused';
  const hasSpan = record.untilSeconds > record.fromSeconds;
  return {
    resourceType: 'AuditEvent',
    type: { system: systems.dicom, code, display },
    subtype: [{ system: systems.access, code: record.kind }],
    action,
    ...(hasSpan && {
      period: { start: instant(record.fromSeconds * 1000), end: instant(record.untilSeconds * 1000) },
    }),
    recorded: instant(record.atMs),
    // 4: minor failure, that is: turned away.
    outcome: isDenied ? '4' : '0',
    ...(record.reason !== null && record.reason !== '' && { outcomeDesc: record.reason }),
    // FHIR has no empty codes.
    ...(record.purpose !== '' && {
      purposeOfEvent: [{ coding: [{ system: systems.purpose, code: record.purpose }] }],
    }),
    agent: [
      { who: known(systems.peer, record.reader), requestor: true },
      { who: known(systems.peer, custodian), requestor: false },
    ],
    source: { observer: known(systems.peer, custodian) },
    entity: [
      {
        what: known(systems.grant, record.grantId),
        detail: [
          { type: 'ordinal', valueString: `${record.ordinal}` },
          { type: 'records', valueString: `${record.records}` },
          { type: 'bytes', valueString: `${record.bytes}` },
        ],
      },
      { what: known(`${systems.access}:request`, record.request) },
      ...(receiptDigest === null ? [] : [{ what: known(systems.receipt, receiptDigest) }]),
    ],
  };
}
