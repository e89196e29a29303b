/** Values that JSON can say. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** Levels of lists and objects within one another; more is refused. */
export const canonicalDepthMax = 32;

/**
 * The one JSON text of a value (RFC 8785): members by the UTF-16 units of their names, no space, numbers and strings as ECMAScript writes
 * them.
 * @throws {RangeError} for what JSON cannot say: numbers that are not finite, half of a surrogate pair, anything nested too deeply.
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, canonicalDepthMax);
}

function write(value: JsonValue, depth: number): string {
  if (depth < 0) throw new RangeError('nested too deeply');
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('a number that is not finite');
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map((item) => write(item, depth - 1)).join(',')}]`;
  const names = Object.keys(value).sort(); // by UTF-16 units, as the RFC asks
  return `{${names.map((name) => `${text(name)}:${write(value[name] as JsonValue, depth - 1)}`).join(',')}}`;
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function text(value: string): string {
  if (!value.isWellFormed()) throw new RangeError('half of a surrogate pair');
  return JSON.stringify(value);
}
