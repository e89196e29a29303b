import { Condition } from '@pulsemesh/base/errors';

/** The server said something the page does not understand. `path` says where, never what. */
export class UnexpectedShapeError extends Condition {
  constructor(path: string, expected: string) {
    super('web.unexpected-shape', `the server's answer is not as described at ${path}: expected ${expected}`, {
      facts: { path, expected },
    });
    this.name = 'UnexpectedShapeError';
  }
}

/** Checks an unknown value and returns it typed; `path` is its place in the answer. @throws {UnexpectedShapeError} */
export type Decoder<T> = (value: unknown, path: string) => T;

/** Longest list the page reads from one answer; what is longer is refused. */
export const listItemsMax = 20_000;
/** Longest text the page reads in one field. */
export const textCharsMax = 4_096;

export const text: Decoder<string> = (value, path) => {
  if (typeof value !== 'string' || value.length > textCharsMax) throw new UnexpectedShapeError(path, 'a short text');
  return value;
};

export const number: Decoder<number> = (value, path) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new UnexpectedShapeError(path, 'a finite number');
  return value;
};

export const truth: Decoder<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw new UnexpectedShapeError(path, 'true or false');
  return value;
};

/** `null` and a missing field both decode to null. */
export function orNull<T>(decoder: Decoder<T>): Decoder<T | null> {
  return (value, path) => (value === null || value === undefined ? null : decoder(value, path));
}

/** One of the given words; anything else is refused. */
export function oneOf<const T extends string>(...words: readonly T[]): Decoder<T> {
  return (value, path) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new UnexpectedShapeError(path, words.join(' | '));
    return found;
  };
}

export function listOf<T>(decoder: Decoder<T>): Decoder<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > listItemsMax) throw new UnexpectedShapeError(path, 'a list');
    return value.map((item, index) => decoder(item, `${path}[${index}]`));
  };
}

/** An object with at least these fields; further ones are left out. */
export function shape<T>(fields: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<T> {
  const entries = Object.entries(fields) as [string, Decoder<unknown>][];
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new UnexpectedShapeError(path, 'an object');
    }
    const source = value as Record<string, unknown>;
    // Built field by field from `fields`, whose keys are exactly T's.
    return Object.fromEntries(entries.map(([key, decode]) => [key, decode(source[key], `${path}.${key}`)])) as T;
  };
}
