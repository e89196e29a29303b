import { z } from 'zod';
import { isReleasable } from '../release/span.ts';
import { messageLimits as limits } from './message-limits.ts';
import {
  account,
  amount,
  binding,
  bytes,
  criteria,
  custodians,
  hash,
  hourSeconds,
  isInterval,
  ledgerSignature,
  longText,
  plainText,
  randomId,
  seconds,
  signedOffer,
  timeMs,
  vitalKind,
  vitalKinds,
} from './message-parts.ts';
import { receipt } from './message-receipt.ts';
import type { MessageBodies, MessageKind } from './messages.ts';

const title = plainText(limits.titleCharactersMax);
const purpose = z
  .string()
  .max(limits.purposeCharactersMax)
  .regex(/^[a-z0-9-]+(\/[a-z0-9-]+)+$/, 'must be a purpose as research/rhythm');
const interval = { fromSeconds: hourSeconds, untilSeconds: hourSeconds };
const mustBeInterval = 'must be an interval';

const audience = z.discriminatedUnion('to', [
  z.strictObject({ to: z.literal('cohort'), criteria }),
  z.strictObject({ to: z.literal('handle'), handle: randomId }),
]);

const ask = z
  .strictObject({
    askId: randomId,
    audience,
    title,
    purpose,
    explanation: longText(limits.explanationCharactersMax),
    organisation: title,
    vitals: vitalKinds,
    ...interval,
    accessForSeconds: z.int().min(1).max(limits.accessForSecondsMax),
    price: amount,
    token: account,
    buyer: binding,
    hpkePublicKey: bytes(32),
    createdMs: timeMs,
    expiresMs: timeMs,
  })
  .refine(isInterval, mustBeInterval)
  .refine(isReleasable, 'must fit into one release');

const offer = z
  .strictObject({
    askId: randomId,
    signed: signedOffer,
    consent: z.string().min(2).max(limits.consentCharactersMax),
    salt: bytes(limits.saltBytes),
    custodians,
    delivery: hash,
    vitals: vitalKinds,
    ...interval,
  })
  .refine(isInterval, mustBeInterval);

const counter = z.strictObject({
  askId: randomId,
  handle: randomId,
  price: amount,
  note: longText(limits.noteCharactersMax),
});

const deposit = z
  .strictObject({
    signed: signedOffer,
    subject: bytes(16),
    buyer: binding,
    purpose,
    vitals: vitalKinds,
    ...interval,
    envelope: bytes(1, limits.envelopeBytesMax),
    custodians,
  })
  .refine(isInterval, mustBeInterval);

const held = z.strictObject({ grantId: hash, signature: bytes(64) });
const claim = z.strictObject({ grantId: hash });
const key = z.strictObject({ grantId: hash, envelope: bytes(1, limits.envelopeBytesMax), receipt });
const received = z.strictObject({ grantId: hash, delivery: hash, signature: ledgerSignature });

const read = z
  .strictObject({
    grantId: hash,
    readId: randomId,
    vital: vitalKind,
    fromSeconds: seconds,
    untilSeconds: seconds,
    atMs: timeMs,
    signature: bytes(64),
  })
  .refine(isInterval, mustBeInterval);

const row = z.tuple([
  z.int().min(0).max(255),
  seconds,
  bytes(16),
  z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
  bytes(1, limits.sealedBytesMax),
]);

const records = z
  .strictObject({
    readId: randomId,
    page: z.int().min(0).max(limits.pageMax),
    isLast: z.boolean(),
    rows: z.array(row).max(limits.rowsMax),
    receipt: receipt.nullable(),
  })
  .refine(({ isLast, receipt: proof }) => isLast === (proof !== null), 'the receipt comes with the last page');

const denied = z.strictObject({
  about: z.string().regex(/^(0x[0-9a-f]{64}|[0-9a-f]{32})$/, 'must be a grant or a read'),
  reason: z.enum([
    'unknown-grant',
    'not-paid',
    'not-final',
    'revoked',
    'expired',
    'outside-grant',
    'not-the-buyer',
    'replayed',
    'ledger-away',
    'quota',
  ]),
  receipt: receipt.nullable(),
});

const accessed = z.strictObject({ receipts: z.array(receipt).min(1).max(limits.receiptsMax) });
const erased = z.strictObject({ grantId: hash });
const withdrawn = z.strictObject({ grantId: hash, signature: ledgerSignature });

/** What the body of each kind must look like, to the last field; input is what CBOR holds, output what the offices use. */
export const messageSchemas: { readonly [Kind in MessageKind]: z.ZodType<MessageBodies[Kind], unknown> } = {
  ask,
  offer,
  counter,
  deposit,
  held,
  claim,
  key,
  received,
  read,
  records,
  denied,
  accessed,
  withdrawn,
  erased,
};

export const messageKinds = Object.keys(messageSchemas) as readonly MessageKind[]; // its keys, as its type says
