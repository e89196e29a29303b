import type {
  AccessView,
  AlarmView,
  AmountView,
  AnchorView,
  AskView,
  AuditView,
  CatalogueEntryView,
  CohortCriteria,
  CustodianLogView,
  DraftView,
  GrantSigningView,
  GrantView,
  LeavesView,
  LedgerEventView,
  PatientConsentView,
  ResearchView,
  ToSignView,
  TransactionView,
} from '@pulsemesh/node/api';
import {
  type Decoder,
  listOf,
  number,
  oneOf,
  orNull,
  shape,
  text,
  truth,
  UnexpectedShapeError,
} from '../api/decode.ts';
import { hex, ledgerView } from '../api/shapes.ts';

/** Longest document in one field: a FHIR Consent, a receipt, a signed note. */
const documentCharsMax = 200_000;

const document: Decoder<string> = (value, path) => {
  if (typeof value !== 'string' || value.length > documentCharsMax) throw new UnexpectedShapeError(path, 'a document');
  return value;
};

/** Whole units; less than 2^256. */
const units: Decoder<string> = (value, path) => {
  if (typeof value !== 'string' || !/^(?:0|[1-9]\d{0,77})$/.test(value)) {
    throw new UnexpectedShapeError(path, 'an amount in decimal digits');
  }
  return value;
};

const decimals: Decoder<number> = (value, path) => {
  const found = number(value, path);
  if (!Number.isInteger(found) || found < 0 || found > 36) throw new UnexpectedShapeError(path, 'a count of digits');
  return found;
};

/** A place in time that a Date can hold. */
const timeMs: Decoder<number> = (value, path) => {
  const found = number(value, path);
  if (Math.abs(found) > 8.64e15) throw new UnexpectedShapeError(path, 'a time');
  return found;
};

const amountFields = { units, token: hex, symbol: text, decimals } as const;
const amountView: Decoder<AmountView> = shape<AmountView>(amountFields);
const vital = oneOf('readings', 'windows', 'predictions', 'alerts');

const askFields = {
  askId: text,
  organisation: text,
  title: text,
  purpose: text,
  explanation: text,
  vitals: listOf(vital),
  fromMs: timeMs,
  untilMs: timeMs,
  accessForMs: number,
  price: amountView,
  askedMs: timeMs,
  expiresMs: timeMs,
} as const;

const askView: Decoder<AskView> = shape<AskView>({
  ...askFields,
  subject: text,
  researcher: text,
  isKnown: truth,
  state: oneOf('waiting', 'accepted', 'refused', 'countered', 'expired'),
});

const grantView: Decoder<GrantView> = shape<GrantView>({
  grantId: hex,
  askId: text,
  subject: orNull(text),
  organisation: text,
  title: text,
  purpose: text,
  vitals: listOf(vital),
  fromMs: timeMs,
  untilMs: timeMs,
  price: amountView,
  phase: oneOf('offered', 'paid', 'delivered', 'active', 'disputed', 'refunded', 'closed', 'revoked', 'expired'),
  deadlineMs: orNull(timeMs),
  offeredMs: timeMs,
  purchaseTransaction: orNull(hex),
  consent: document,
  accesses: number,
  buyer: hex,
  signing: orNull(shape<GrantSigningView>({ signer: hex, keySalt: orNull(hex), chainId: number, contract: hex })),
});

const anchorView: Decoder<AnchorView> = shape<AnchorView>({
  custodian: text,
  root: hex,
  count: number,
  transaction: orNull(hex),
  boardIndex: orNull(number),
  atMs: timeMs,
});

const accessView: Decoder<AccessView> = shape<AccessView>({
  grantId: hex,
  kind: text,
  reader: text,
  organisation: orNull(text),
  custodian: text,
  atMs: timeMs,
  purpose: text,
  fromMs: timeMs,
  untilMs: timeMs,
  records: number,
  bytes: number,
  reason: orNull(text),
  index: number,
  receipt: document,
  anchor: orNull(anchorView),
});

const alarmView: Decoder<AlarmView> = shape<AlarmView>({
  alarmId: text,
  kind: oneOf('denied-read', 'broken-log', 'unlogged-read', 'split-log', 'anchor-missing'),
  custodian: text,
  grantId: orNull(hex),
  atMs: timeMs,
  text,
});

export const patientConsentView: Decoder<PatientConsentView> = shape<PatientConsentView>({
  subject: text,
  isAskable: truth,
  passkey: orNull(shape<NonNullable<PatientConsentView['passkey']>>({ credentialId: text, enrolledMs: timeMs })),
  asks: listOf(askView),
  grants: listOf(grantView),
  accesses: listOf(accessView),
  alarms: listOf(alarmView),
  earnings: shape<PatientConsentView['earnings']>({
    amounts: listOf(
      shape<PatientConsentView['earnings']['amounts'][number]>({
        ...amountFields,
        grantId: hex,
        payee: hex,
        withdrawable: units,
        nonce: units,
      }),
    ),
  }),
});

const offerFields: Decoder<DraftView['offer']> = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UnexpectedShapeError(path, 'an offer');
  const entries = Object.entries(value);
  const isPlain = entries.every(([, field]) => typeof field === 'string' || typeof field === 'number');
  if (entries.length > 16 || !isPlain) throw new UnexpectedShapeError(path, 'an offer of texts and numbers');
  return Object.fromEntries(entries);
};

export const draftView: Decoder<DraftView> = shape<DraftView>({
  draftId: text,
  askId: text,
  offer: offerFields,
  challenge: hex,
  keySalt: hex,
  chainId: number,
  contract: hex,
  consent: document,
  salt: hex,
  passkeySigner: orNull(hex),
  price: amountView,
});

const criteria: Decoder<CohortCriteria> = (value, path) => {
  const given = shape({
    recordedHoursMin: orNull(number),
    irregular: orNull(truth),
    input: orNull(oneOf('rr', 'hr', 'wrist')),
  })(value, path);
  return {
    ...(given.recordedHoursMin === null ? {} : { recordedHoursMin: given.recordedHoursMin }),
    ...(given.irregular === null ? {} : { irregular: given.irregular }),
    ...(given.input === null ? {} : { input: given.input }),
  };
};

const catalogueEntry: Decoder<CatalogueEntryView> = shape<CatalogueEntryView>({
  home: text,
  organisation: text,
  cohorts: listOf(shape<CatalogueEntryView['cohorts'][number]>({ criteria, patients: number, vitals: listOf(vital) })),
  updatedMs: timeMs,
});

export const researchView: Decoder<ResearchView> = shape<ResearchView>({
  organisation: text,
  self: text,
  signer: orNull(shape<NonNullable<ResearchView['signer']>>({ account: hex, leftToSpend: units })),
  accounts: listOf(hex),
  catalogue: listOf(catalogueEntry),
  asks: listOf(
    shape<ResearchView['asks'][number]>({
      ...askFields,
      home: text,
      offers: number,
      counters: listOf(
        shape<ResearchView['asks'][number]['counters'][number]>({ handle: text, price: amountView, note: text }),
      ),
    }),
  ),
  grants: listOf(grantView),
  accesses: listOf(accessView),
});

export const transactionView: Decoder<TransactionView> = shape<TransactionView>({
  to: hex,
  data: (value, path) => {
    if (typeof value !== 'string' || value.length > documentCharsMax || !/^0x[0-9a-f]*$/i.test(value)) {
      throw new UnexpectedShapeError(path, 'hex digits');
    }
    return value as `0x${string}`; // tested above
  },
  value: hex,
  chainId: number,
});

export const toSignView: Decoder<ToSignView> = shape<ToSignView>({ typedData: document });
export const receiptAnswer = shape<{ readonly receipt: ToSignView | null }>({ receipt: orNull(toSignView) });
export const acceptedView = shape<{ readonly grantId: `0x${string}` }>({ grantId: hex });
export const askedView = shape<{ readonly askId: string }>({ askId: text });
export const transactionDone = shape<{ readonly transaction: `0x${string}` }>({ transaction: hex });

const ledgerEvent: Decoder<LedgerEventView> = shape<LedgerEventView>({
  at: text,
  place: number,
  timeMs,
  transaction: hex,
  kind: oneOf('purchased', 'confirmed', 'disputed', 'delivered', 'ended', 'withdrawn', 'anchored', 'accessed'),
  grantId: orNull(hex),
  status: orNull(text),
  amount: orNull(units),
  custodian: orNull(hex),
  root: orNull(hex),
  count: orNull(number),
});

export const auditView: Decoder<AuditView> = shape<AuditView>({
  ledger: orNull(ledgerView),
  events: listOf(ledgerEvent),
  anchors: listOf(anchorView),
  custodians: listOf(
    shape<CustodianLogView>({
      peer: text,
      logKey: text,
      account: orNull(hex),
      checkpoint: orNull(document),
      size: number,
    }),
  ),
});

export const leavesView: Decoder<LeavesView> = shape<LeavesView>({
  from: number,
  leaves: listOf(text),
  checkpoint: document,
});
