import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import { z } from 'zod';
import type { Hex, Offer, SignedOffer } from '../offer/offer.ts';
import { messageLimits } from './message-limits.ts';
import type { AccountBinding, CohortCriteria, VitalKind } from './messages.ts';

/** Text that shows as what it is: nothing that turns, hides or breaks what stands beside it (Unicode Cc, Cf, Zl, Zp). */
export function plainText(charactersMax: number) {
  return z
    .string()
    .min(1)
    .max(charactersMax)
    .refine((text) => isPlain(text) && text === text.trim(), 'must be plain text');
}

/** As {@link plainText}, with line feeds between lines; may be empty. */
export function longText(charactersMax: number) {
  return z
    .string()
    .max(charactersMax)
    .refine((text) => isPlain(text.replaceAll('\n', ' ')), 'must be plain text');
}

function isPlain(text: string): boolean {
  return text.isWellFormed() && text === text.normalize('NFC') && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text);
}

export const timeMs = z.int().min(0);
/** Seconds since 1970, whole hours. */
export const hourSeconds = z
  .int()
  .min(0)
  .max(2 ** 40 - 1)
  .refine((seconds) => seconds % 3600 === 0, 'must be whole hours');
export const seconds = z
  .int()
  .min(0)
  .max(2 ** 40 - 1);

/** Byte strings of one length, or of `min` to `max`. */
export function bytes(min: number, max = min) {
  return z
    .custom<Uint8Array>((value) => value instanceof Uint8Array)
    .refine((value) => value.length >= min && value.length <= max, 'must be bytes of that length');
}

/** Names made of 16 random bytes. */
export const randomId = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 lower-case hex digits');

/** `0x` and lower-case hex of `min` to `max` bytes. */
export function hex(min: number, max = min): z.ZodType<Hex> {
  const isHex = (text: unknown): text is Hex =>
    typeof text === 'string' &&
    text.length >= 2 + 2 * min &&
    text.length <= 2 + 2 * max &&
    text.length % 2 === 0 &&
    /^0x[0-9a-f]*$/.test(text);
  return z.custom<Hex>(isHex, 'must be lower-case hex of that length');
}

export const account = hex(20);
export const hash = hex(32);
export const ledgerSignature = hex(0, messageLimits.signatureBytesMax);

export const peer = z.custom<PeerId>(isEd25519Peer, 'must be an Ed25519 peer id');

function isEd25519Peer(text: unknown): boolean {
  try {
    return typeof text === 'string' && parsePeerId(text).startsWith('12D3');
  } catch {
    return false;
  }
}

/** At least two, nobody twice: with one alone nothing could be read while it is away. */
export const custodians = z
  .array(peer)
  .min(messageLimits.custodiansMin)
  .max(messageLimits.custodiansMax)
  .refine((list) => new Set(list).size === list.length, 'must name nobody twice');

/** An amount: travels as decimal digits without leading zeros, since CBOR integers end at 2^53 here. Less than 2^96. */
export const amount = z.codec(
  z.string().regex(/^(0|[1-9][0-9]{0,28})$/),
  z
    .bigint()
    .min(0n)
    .lt(2n ** 96n),
  {
    decode: (digits) => BigInt(digits),
    encode: (value) => value.toString(),
  },
);

const vital = z.enum(['readings', 'windows', 'predictions', 'alerts']);
export const vitalKind: z.ZodType<VitalKind> = vital;
export const vitalKinds = z
  .array(vitalKind)
  .min(1)
  .max(4)
  .refine((list) => new Set(list).size === list.length, 'must name none twice');

export const criteria: z.ZodType<CohortCriteria> = z.strictObject({
  recordedHoursMin: z.int().min(0).max(messageLimits.recordedHoursMax).exactOptional(),
  irregular: z.boolean().exactOptional(),
  input: z.enum(['rr', 'hr', 'wrist']).exactOptional(),
});

export const binding: z.ZodType<AccountBinding> = z.strictObject({
  peer,
  account,
  issuedMs: timeMs,
  expiresMs: timeMs,
  peerSignature: bytes(64),
  accountSignature: ledgerSignature,
});

const uint32 = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

const offer: z.ZodType<Offer, unknown> = z.strictObject({
  patient: hex(20, messageLimits.signerBytesMax),
  payee: account,
  buyer: account,
  custodian: account,
  arbiter: account,
  token: account,
  price: amount,
  validUntil: seconds,
  deliverWithin: uint32,
  accessFor: uint32,
  terms: hash,
  nonce: hash,
});

export const signedOffer: z.ZodType<SignedOffer, unknown> = z.strictObject({
  offer,
  grantId: hash,
  signature: ledgerSignature,
});

/** The agreed interval: not empty, not longer than anybody needs. */
export function isInterval(span: { readonly fromSeconds: number; readonly untilSeconds: number }): boolean {
  const length = span.untilSeconds - span.fromSeconds;
  return length > 0 && length <= messageLimits.intervalSecondsMax;
}
