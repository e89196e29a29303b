import { z } from 'zod';
import type * as api from '../api/consent-types.ts';

// Schemas of the API about consent: what comes in is checked, what goes out is described. That they say the same as
// `api/consent-types.ts` and the ledger's views is checked by the compiler at the end of this file.

const textBytesMax = 16_384;
const subject = z.string().regex(/^[0-9a-f]{32}$/);
const askId = z.string().regex(/^[0-9a-f]{32}$/);
const timeMs = z.number().describe('milliseconds since 1970 (UTC)');
const atMs = z.number().min(0).max(8.64e15).describe('milliseconds since 1970 (UTC)');
const peerId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{40,64}$/);
const hex = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]*$/)]);
const account = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}$/)]);
const hash = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)]);
/** A signature of any signer: a passkey's holds its client data. */
const signature = z.templateLiteral(['0x', z.string().regex(/^(?:[0-9a-f]{2}){1,8192}$/)]);
/** ERC-7913: an account, or a verifier's address and a key. */
const signer = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}(?:[0-9a-f]{2}){0,256}$/)]);
/** Whole units; less than 2^96. */
const amount = z.string().regex(/^(?:0|[1-9]\d{0,28})$/);
const base64url = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[A-Za-z0-9_-]+$/);
const vital = z.enum(['readings', 'windows', 'predictions', 'alerts']);
const criteria = z.strictObject({
  recordedHoursMin: z.int().min(1).max(1_000_000).optional(),
  irregular: z.boolean().optional(),
  input: z.enum(['rr', 'hr', 'wrist']).optional(),
});

const assertionView = z
  .strictObject({
    credentialId: base64url(1_368),
    authenticatorData: base64url(4_096),
    clientData: base64url(8_192),
    signature: base64url(512),
  })
  .meta({ title: 'AssertionView' });

export const askParams = z.strictObject({ subject, askId });
export const subjectGrantParams = z.strictObject({ subject, grantId: hash });
export const grantParams = z.strictObject({ grantId: hash });
export const custodianParams = z.strictObject({ peer: peerId });

export const askableInput = z.strictObject({ isAskable: z.boolean() }).meta({ title: 'AskableInput' });
export const passkeyInput = z
  .strictObject({ credentialId: base64url(1_368), publicKey: base64url(128), approval: assertionView.nullable() })
  .meta({ title: 'PasskeyInput' });
export const draftInput = z.strictObject({ price: amount.nullable() }).meta({ title: 'DraftInput' });
export const counterInput = z
  .strictObject({ price: amount, note: z.string().max(500) })
  .meta({ title: 'CounterInput' });
export const acceptInput = z
  .strictObject({ draftId: z.string().min(1).max(128), signer, signature, assertion: assertionView })
  .meta({ title: 'AcceptInput' });
export const signatureInput = z.strictObject({ signature }).meta({ title: 'SignatureInput' });
export const withdrawInput = z
  .strictObject({
    to: account,
    amount,
    nonce: z.string().regex(/^(?:0|[1-9]\d{0,77})$/),
    until: z
      .int()
      .min(0)
      .max(2 ** 40)
      .describe('seconds since 1970'),
    signature,
  })
  .meta({ title: 'WithdrawInput' });
export const eraseInput = z.strictObject({ confirmation: z.literal('erase') }).meta({ title: 'EraseInput' });
const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^\P{Cc}+$/u);
export const emergencyInput = z
  .strictObject({ by: line(60).describe('who helps'), reason: line(120).describe('why; no health value') })
  .meta({ title: 'EmergencyInput' });

export const askRequest = z
  .strictObject({
    home: peerId,
    criteria: criteria.optional(),
    handle: z.string().min(1).max(256).optional(),
    title: z.string().min(1).max(200),
    purpose: z.string().min(1).max(128),
    explanation: z.string().min(1).max(4_000),
    vitals: z.array(vital).min(1).max(4),
    fromMs: atMs,
    untilMs: atMs,
    accessForMs: z.number().min(1).max(8.64e15),
    price: amount,
    token: account.optional(),
    account,
    validForMs: z.number().min(1).max(8.64e15),
  })
  .meta({ title: 'AskRequest' });
export const bindInput = z.strictObject({ account, signature }).meta({ title: 'BindInput' });
export const boughtInput = z.strictObject({ transaction: hash }).meta({ title: 'BoughtInput' });

const format = z.enum(['fhir', 'csv']);
export const bindingQuery = z.strictObject({ account });
export const emergencyQuery = z.strictObject({ format });
export const exportQuery = z.strictObject({ format, grantId: hash.optional() });
export const dataQuery = z.strictObject({
  format,
  vital: vital.optional().describe('default: all that the grant names'),
  fromMs: z.number().min(0).optional().describe('inclusive; default: from the beginning of the grant'),
  untilMs: z.number().min(0).optional().describe('exclusive; default: until the end of the grant'),
});
export const leavesQuery = z.strictObject({
  from: z
    .int()
    .min(0)
    .max(2 ** 48),
});
/** A request of JSON-RPC, or several: the allow-list behind it reads them, with limits of its own. */
export const rpcInput = z.union([z.record(z.string(), z.unknown()), z.array(z.unknown()).max(100)]);

const amountView = z
  .object({ units: z.string().describe('whole units'), token: hex, symbol: z.string(), decimals: z.int() })
  .meta({ title: 'AmountView' });

const askFields = {
  askId: z.string(),
  organisation: z.string(),
  title: z.string(),
  purpose: z.string(),
  explanation: z.string().max(textBytesMax),
  vitals: z.array(vital),
  fromMs: timeMs,
  untilMs: timeMs,
  accessForMs: z.number(),
  price: amountView,
  askedMs: timeMs,
  expiresMs: timeMs,
};

const askView = z
  .object({
    ...askFields,
    subject,
    researcher: z.string(),
    isKnown: z.boolean().describe("the board shows the researcher's key under this name"),
    state: z.enum(['waiting', 'accepted', 'refused', 'countered', 'expired']),
  })
  .meta({ title: 'AskView' });

const grantView = z
  .object({
    grantId: hex,
    askId: z.string(),
    subject: z.string().nullable(),
    organisation: z.string(),
    title: z.string(),
    purpose: z.string(),
    vitals: z.array(vital),
    fromMs: timeMs,
    untilMs: timeMs,
    price: amountView,
    phase: z.enum(['offered', 'paid', 'delivered', 'active', 'disputed', 'refunded', 'closed', 'revoked', 'expired']),
    deadlineMs: timeMs.nullable(),
    offeredMs: timeMs,
    purchaseTransaction: hex.nullable(),
    consent: z.string().describe('FHIR R4 Consent (JSON text)'),
    accesses: z.int(),
    buyer: hex,
    signing: z
      .object({ signer: hex, keySalt: hex.nullable(), chainId: z.int(), contract: hex })
      .nullable()
      .describe("for the patient: with what the grant's signer is made again"),
  })
  .meta({ title: 'GrantView' });

const anchorView = z
  .object({
    custodian: z.string(),
    root: hex,
    count: z.int(),
    transaction: hex.nullable(),
    boardIndex: z.int().nullable(),
    atMs: timeMs,
  })
  .meta({ title: 'AnchorView' });

const accessView = z
  .object({
    grantId: hex,
    kind: z.string(),
    reader: z.string(),
    organisation: z.string().nullable(),
    custodian: z.string(),
    atMs: timeMs,
    purpose: z.string(),
    fromMs: timeMs,
    untilMs: timeMs,
    records: z.int(),
    bytes: z.int(),
    reason: z.string().nullable(),
    index: z.int(),
    receipt: z.string().describe('CBOR of the access receipt, base64'),
    anchor: anchorView.nullable(),
  })
  .meta({ title: 'AccessView' });

const alarmView = z
  .object({
    alarmId: z.string(),
    kind: z.enum(['denied-read', 'broken-log', 'unlogged-read', 'split-log', 'anchor-missing']),
    custodian: z.string(),
    grantId: hex.nullable(),
    atMs: timeMs,
    text: z.string(),
  })
  .meta({ title: 'AlarmView' });

export const patientConsentView = z
  .object({
    subject,
    isAskable: z.boolean(),
    passkey: z.object({ credentialId: z.string(), enrolledMs: timeMs }).nullable(),
    asks: z.array(askView),
    grants: z.array(grantView),
    accesses: z.array(accessView),
    alarms: z.array(alarmView),
    earnings: z.object({
      amounts: z.array(
        z.object({ ...amountView.shape, grantId: hex, payee: hex, withdrawable: z.string(), nonce: z.string() }),
      ),
    }),
  })
  .meta({ title: 'PatientConsentView' });

export const draftView = z
  .object({
    draftId: z.string(),
    askId: z.string(),
    offer: z.record(z.string(), z.union([z.string(), z.number()])),
    challenge: hex.describe('32 bytes for the enrolled passkey to sign'),
    keySalt: hex.describe("32 bytes for the passkey's PRF"),
    chainId: z.int(),
    contract: hex,
    consent: z.string(),
    salt: hex.describe("with the consent it gives the offer's terms"),
    passkeySigner: hex.nullable().describe('ERC-7913 bytes of the enrolled passkey itself'),
    price: amountView,
  })
  .meta({ title: 'DraftView' });

export const ledgerView = z
  .object({
    kind: z.enum(['embedded', 'rpc', 'board', 'none']),
    chainId: z.int(),
    contract: hex.nullable(),
    head: z.string(),
    finalized: z.string(),
    headAgeMs: z.number(),
    sealers: z.array(z.string()),
    codeHash: hex.nullable(),
    state: z.enum(['up', 'away', 'stale', 'wrong']),
    words: z.string(),
    symbol: z.string(),
    decimals: z.int(),
  })
  .meta({ title: 'LedgerView' });

const catalogueEntry = z.object({
  home: z.string(),
  organisation: z.string(),
  cohorts: z.array(
    z.object({
      criteria: z.object(criteria.shape),
      patients: z.int(),
      vitals: z.array(vital),
    }),
  ),
  updatedMs: timeMs,
});

export const researchView = z
  .object({
    organisation: z.string(),
    self: z.string(),
    signer: z.object({ account: hex, leftToSpend: z.string() }).nullable(),
    accounts: z.array(hex),
    catalogue: z.array(catalogueEntry),
    asks: z.array(
      z.object({
        ...askFields,
        home: z.string(),
        offers: z.int(),
        counters: z.array(z.object({ handle: z.string(), price: amountView, note: z.string() })),
      }),
    ),
    grants: z.array(grantView),
    accesses: z.array(accessView),
  })
  .meta({ title: 'ResearchView' });

export const profileView = z
  .object({
    kind: z.enum(['home', 'research', 'network']),
    ledger: ledgerView.nullable(),
    organisation: z.string().nullable(),
    waiting: z
      .array(z.object({ subject, asks: z.int(), alarms: z.int() }))
      .describe('patients with unanswered requests or open alarms'),
  })
  .meta({ title: 'ProfileView' });
export const acceptedView = z.object({ grantId: hex }).meta({ title: 'AcceptedView' });
export const askedView = z.object({ askId: z.string() }).meta({ title: 'AskedView' });
export const transactionDone = z.object({ transaction: hex }).meta({ title: 'TransactionDone' });
export const transactionView = z
  .object({ to: hex, data: hex, value: hex, chainId: z.int() })
  .meta({ title: 'TransactionView' });
export const toSignView = z.object({ typedData: z.string().describe('EIP-712 as JSON') }).meta({ title: 'ToSignView' });
export const receiptAnswer = z.object({ receipt: toSignView.nullable() }).meta({ title: 'ReceiptAnswer' });

const ledgerEventView = z
  .object({
    at: z.string(),
    place: z.int(),
    timeMs,
    transaction: hex,
    kind: z.enum(['purchased', 'confirmed', 'disputed', 'delivered', 'ended', 'withdrawn', 'anchored', 'accessed']),
    grantId: hex.nullable(),
    status: z.string().nullable(),
    amount: z.string().nullable(),
    custodian: hex.nullable(),
    root: hex.nullable(),
    count: z.int().nullable(),
  })
  .meta({ title: 'LedgerEventView' });

export const auditView = z
  .object({
    ledger: ledgerView.nullable(),
    events: z.array(ledgerEventView),
    anchors: z.array(anchorView),
    custodians: z.array(
      z.object({
        peer: z.string(),
        logKey: z.string(),
        account: hex.nullable(),
        checkpoint: z.string().nullable().describe('signed note, base64'),
        size: z.int(),
      }),
    ),
  })
  .meta({ title: 'AuditView' });
export const leavesView = z
  .object({ from: z.int(), leaves: z.array(z.string()), checkpoint: z.string() })
  .meta({ title: 'LeavesView' });

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
// What JSON leaves out and what it says to be undefined is the same to a schema, and not to the compiler.
type Plain<T> = T extends readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? { [Key in keyof T]: Plain<Exclude<T[Key], undefined>> }
    : T;
const _schemasMatchTypes: readonly true[] = [
  true satisfies Same<z.infer<typeof passkeyInput>, Mutable<api.PasskeyInput>>,
  true satisfies Same<z.infer<typeof acceptInput>, Mutable<api.AcceptInput>>,
  true satisfies Same<z.infer<typeof emergencyInput>, Mutable<api.EmergencyInput>>,
  true satisfies Same<z.infer<typeof withdrawInput>, Mutable<api.WithdrawInput>>,
  true satisfies Same<Plain<z.infer<typeof askRequest>>, Plain<Mutable<api.AskRequest>>>,
  true satisfies Same<Plain<z.infer<typeof patientConsentView>>, Plain<Mutable<api.PatientConsentView>>>,
  true satisfies Same<z.infer<typeof draftView>, Mutable<api.DraftView>>,
  true satisfies Same<z.infer<typeof profileView>, Mutable<api.ProfileView>>,
  true satisfies Same<Plain<z.infer<typeof researchView>>, Plain<Mutable<api.ResearchView>>>,
  true satisfies Same<z.infer<typeof transactionView>, Mutable<api.TransactionView>>,
  true satisfies Same<z.infer<typeof auditView>, Mutable<api.AuditView>>,
  true satisfies Same<z.infer<typeof leavesView>, Mutable<api.LeavesView>>,
];
