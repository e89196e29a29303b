import type { VitalKind } from '../market/messages.ts';
import { ConsentMalformedError } from './errors.ts';

// Reading of parsed FHIR JSON, one check for each shape. All throw ConsentMalformedErrors, which never hold what was read.

export interface JsonObject {
  readonly [name: string]: unknown;
}

const vitalKinds: readonly VitalKind[] = ['readings', 'windows', 'predictions', 'alerts'];

export function child(parent: JsonObject, name: string): JsonObject {
  const value = own(parent, name);
  if (!isObject(value)) throw new ConsentMalformedError(name);
  return value;
}

/** Objects in a list of at most `max`. */
export function children(parent: JsonObject, name: string, max: number): readonly JsonObject[] {
  const value = own(parent, name);
  if (!Array.isArray(value) || value.length > max || !value.every(isObject)) throw new ConsentMalformedError(name);
  return value;
}

/** One to `max` characters. */
export function textIn(parent: JsonObject, name: string, max: number): string {
  const value = own(parent, name);
  const isText = typeof value === 'string' && value !== '' && value.length <= max && value.isWellFormed();
  if (!isText) throw new ConsentMalformedError(name);
  return value;
}

/** As {@link textIn}; empty where there is none. */
export function optionalText(parent: JsonObject, name: string, max: number): string {
  return own(parent, name) === undefined ? '' : textIn(parent, name, max);
}

export function wholeNumberIn(parent: JsonObject, name: string): number {
  const value = own(parent, name);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new ConsentMalformedError(name);
  return value;
}

/** Seconds since 1970 of a FHIR dateTime in UTC with whole seconds. */
export function secondsOf(parent: JsonObject, name: string): number {
  const text = textIn(parent, name, 32);
  const isForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/.test(text);
  const atMs = isForm ? Date.parse(text) : Number.NaN;
  if (!(atMs >= 0)) throw new ConsentMalformedError(name);
  return atMs / 1000;
}

/** The one code of `system` among codings. */
export function codeOf(codings: readonly JsonObject[], system: string): string {
  const [found, second] = codings.filter((coding) => coding['system'] === system);
  if (found === undefined || second !== undefined) throw new ConsentMalformedError('coding');
  return textIn(found, 'code', 100);
}

/** Kinds of records among codeable concepts: at least one, none twice. */
export function vitalsIn(concepts: readonly JsonObject[], system: string): readonly VitalKind[] {
  const found = concepts.map((concept) => {
    const code = codeOf(children(concept, 'coding', 4), system);
    const vital = vitalKinds.find((kind) => kind === code);
    if (vital === undefined) throw new ConsentMalformedError('code');
    return vital;
  });
  if (found.length === 0 || new Set(found).size !== found.length) throw new ConsentMalformedError('code');
  return found;
}

function own(parent: JsonObject, name: string): unknown {
  return Object.hasOwn(parent, name) ? parent[name] : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
