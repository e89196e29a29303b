import { OfferMalformedError } from './errors.ts';
import type { Hex, Offer } from './offer.ts';

/** Limits of what an offer holds. */
export const offerLimits = {
  /** ERC-7913: an account, or a verifier's address and a key; RSA keys are the longest. */
  signerBytesMin: 20,
  signerBytesMax: 1_024,
  /** Exclusive. */
  priceEnd: 2n ** 96n,
  secondsMax: 2 ** 40 - 1,
  windowSecondsMax: 2 ** 32 - 1,
} as const;

/** An offer before it is known who signs it: what a patient is shown, and its passkey agrees to. */
export type OfferDraft = Omit<Offer, 'patient' | 'payee'>;

/** The same in JSON, amounts in decimal digits: `DraftView.offer`. */
export type DraftJson = Readonly<Record<keyof OfferDraft, string | number>>;

/** One check for each field; reads JSON as well as what the program holds. */
type Read<T> = (value: unknown) => T | null;

const draftReaders: { readonly [Name in keyof OfferDraft]: Read<OfferDraft[Name]> } = {
  buyer: account,
  custodian: account,
  arbiter: account,
  token: account,
  price,
  validUntil: (value) => count(value, offerLimits.secondsMax),
  deliverWithin: (value) => count(value, offerLimits.windowSecondsMax),
  accessFor: (value) => count(value, offerLimits.windowSecondsMax),
  terms: (value) => hexOf(value, 32, 32),
  nonce: (value) => hexOf(value, 32, 32),
};

const offerReaders: { readonly [Name in keyof Offer]: Read<Offer[Name]> } = {
  patient: (value) => hexOf(value, offerLimits.signerBytesMin, offerLimits.signerBytesMax),
  payee: account,
  ...draftReaders,
};

/** @throws {OfferMalformedError} for a missing, further or wrong field. */
export function parseOffer(value: unknown): Offer {
  return parseFields(value, offerReaders);
}

/** @throws {OfferMalformedError} as `parseOffer`. */
export function parseDraft(value: unknown): OfferDraft {
  return parseFields(value, draftReaders);
}

export function draftJson(draft: OfferDraft): DraftJson {
  return { ...parseDraft(draft), price: draft.price.toString() };
}

function parseFields<T extends object>(value: unknown, readers: { readonly [Name in keyof T]: Read<T[Name]> }): T {
  if (typeof value !== 'object' || value === null) throw new OfferMalformedError('not an object');
  const names = Object.keys(readers) as (keyof T & string)[]; // its keys, as its type says
  if (Object.keys(value).length !== names.length) throw new OfferMalformedError('fields');
  const found: Partial<T> = {};
  for (const name of names) {
    const read = Object.hasOwn(value, name) ? readers[name]((value as Record<string, unknown>)[name]) : null;
    if (read === null) throw new OfferMalformedError(name);
    found[name] = read;
  }
  return found as T; // every name was read
}

function hexOf(value: unknown, bytesMin: number, bytesMax: number): Hex | null {
  if (typeof value !== 'string' || value.length < 2 + 2 * bytesMin || value.length > 2 + 2 * bytesMax) return null;
  return isHex(value) ? value : null;
}

function isHex(text: string): text is Hex {
  return text.length % 2 === 0 && /^0x[0-9a-f]*$/.test(text);
}

function account(value: unknown): Hex | null {
  return hexOf(value, 20, 20);
}

function price(value: unknown): bigint | null {
  const isDigits = typeof value === 'string' && /^(0|[1-9][0-9]{0,28})$/.test(value);
  const amount = isDigits ? BigInt(value) : value;
  return typeof amount === 'bigint' && amount >= 0n && amount < offerLimits.priceEnd ? amount : null;
}

function count(value: unknown, max: number): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max ? value : null;
}
