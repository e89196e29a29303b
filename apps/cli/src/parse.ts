import { InvalidArgumentError } from 'commander';

/** A whole number of at least 1. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000_000)
    throw new InvalidArgumentError('Wanted: a whole number from 1.');
  return value;
}

/** The number of an EVM network. */
export function parseChainId(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 2 ** 48)
    throw new InvalidArgumentError('Wanted: the number of a network, 1 … 2^48.');
  return value;
}

/** An address that is asked over http or https. */
export function parseHttpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new InvalidArgumentError('Wanted: an address that begins with http:// or https://.');
  return text;
}

/** A block of a chain as it was seen: `number:hash`. */
export function parseSeenBlock(text: string): { readonly number: number; readonly hash: `0x${string}` } {
  const [, digits, hash] = /^(\d{1,15}):(0x[0-9a-f]{64})$/.exec(text.toLowerCase()) ?? [];
  if (digits === undefined || hash === undefined)
    throw new InvalidArgumentError('Wanted: a block as number:hash, the hash as 0x and 64 hex digits.');
  return { number: Number(digits), hash: hash as `0x${string}` }; // as the pattern says
}

/** Decimals of a coin. */
export function parseDecimals(text: string): number {
  if (!/^\d{1,2}$/.test(text) || Number(text) > 36) throw new InvalidArgumentError('Wanted: a whole number, 0 … 36.');
  return Number(text);
}

/** Seconds from the beginning of a recording. */
export function parseSeconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1e9)) throw new InvalidArgumentError('Wanted: seconds, from 0.');
  return value;
}

/** Folds by patient: none, or at least two. */
export function parseFolds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value === 1 || value > 100)
    throw new InvalidArgumentError('Wanted: 0 for none, or a whole number from 2 to 100.');
  return value;
}

/** How much faster than life. */
export function parseSpeed(text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 100)) throw new InvalidArgumentError('Wanted: a number from 1 to 100.');
  return value;
}

/** The privacy parameter of the overlay's interest filters; the configuration knows its bounds. */
export function parseEpsilon(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('Wanted: a number from 0.25 to 20.');
  return value;
}

export function parsePort(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('Wanted: a port, 0 to 65535.');
  return value;
}

/** `a,b` as a list. */
export function parseList(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
