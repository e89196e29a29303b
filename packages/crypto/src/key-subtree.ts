import { assert, Condition } from '@pulsemesh/base';
import {
  assertKind,
  childKey,
  hexOf,
  hoursPerDay,
  nodeKeyBytes,
  type SealPlace,
  subjectBytes,
  TreeLeaves,
} from './key-tree-leaves.ts';

/** What of a key tree is released: these kinds, in hours since 1970, from inclusive, until exclusive. */
export interface SubtreeSpan {
  /** Each 0 … 255, none twice; at least one. */
  readonly kinds: readonly number[];
  readonly fromHour: number;
  readonly untilHour: number;
}

/** Limits of a released part of a key tree. */
export const subtreeLimits = {
  kindsMax: 16,
  /** Keys of days and hours in all: ten years of two kinds, or five of four. */
  keysMax: 8_000,
  /** Hours since 1970 that can be named. */
  hourMax: 2 ** 32 - 1,
} as const;

/** The interval asked for needs more keys than one release holds: ask for a shorter one, or for fewer kinds. */
export class SubtreeLimitError extends Condition {
  override readonly name = 'SubtreeLimitError';
  constructor(keys: number) {
    super('subtree-limit', `a release of ${keys} keys is too large: at most ${subtreeLimits.keysMax}`, {
      facts: { keys, keysMax: subtreeLimits.keysMax },
    });
  }
}

/** These bytes are no part of a key tree. */
export class SubtreeMalformedError extends Condition {
  override readonly name = 'SubtreeMalformedError';
  constructor(what: string) {
    super('subtree-malformed', `the released keys are malformed: ${what}`, { facts: { what } });
  }
}

/** The record lies outside what was released: nobody agreed that it can be opened. */
export class OutsideSubtreeError extends Condition {
  override readonly name = 'OutsideSubtreeError';
  constructor(place: { readonly kind: number; readonly hour: number }) {
    super('outside-subtree', 'the record lies outside the kinds and hours that were released', { facts: place });
  }
}

/** Opens what lies within a released part of a patient's key tree, records written after the release too; seals nothing. */
export interface KeySubtree extends SubtreeSpan {
  /** 16 bytes: the pseudonym whose records it opens. */
  readonly subject: Uint8Array;
  readonly subjectId: string;
  /**
   * As `KeyTree.open`.
   * @throws {OutsideSubtreeError}; {SealBrokenError} when altered, or sealed for another subject or place.
   */
  open(place: SealPlace, sealed: Uint8Array): Uint8Array;
}

// version ‖ subject ‖ from ‖ until ‖ number of kinds ‖ kinds, ascending ‖ for each kind the keys of hours up to the first whole day, of
// whole days, of the hours after them. The span says which key is which, so that there is one encoding and no key too many.
const version = 1;
const headBytes = 1 + subjectBytes + 4 + 4 + 1;
const leafKeysKept = 32;

/** The fewest nodes that cover the hours: single hours up to midnight (UTC), whole days, single hours again. */
interface Cover {
  readonly leadingHours: readonly [number, number];
  readonly days: readonly [number, number];
  readonly trailingHours: readonly [number, number];
  readonly keys: number;
}

function coverOf(fromHour: number, untilHour: number): Cover {
  const firstDay = Math.ceil(fromHour / hoursPerDay);
  const endDay = Math.floor(untilHour / hoursPerDay);
  if (firstDay >= endDay) {
    // No whole day lies within: hours alone, also across one midnight.
    const none = [untilHour, untilHour] as const;
    return { leadingHours: [fromHour, untilHour], days: none, trailingHours: none, keys: untilHour - fromHour };
  }
  const leading = firstDay * hoursPerDay - fromHour;
  const trailing = untilHour - endDay * hoursPerDay;
  return {
    leadingHours: [fromHour, firstDay * hoursPerDay],
    days: [firstDay, endDay],
    trailingHours: [endDay * hoursPerDay, untilHour],
    keys: leading + (endDay - firstDay) + trailing,
  };
}

/** How many keys a span needs, to be compared with `subtreeLimits.keysMax` before one is promised. */
export function countSubtreeKeys({ kinds, fromHour, untilHour }: SubtreeSpan): number {
  return coverOf(fromHour, untilHour).keys * kinds.length;
}

/**
 * Encodes the keys of exactly `span`.
 * @param kindKeyOf the key of a kind's node in the whole tree.
 * @throws {SubtreeLimitError}
 */
export function encodeSubtree(
  subject: Uint8Array,
  span: SubtreeSpan,
  kindKeyOf: (kind: number) => Uint8Array,
): Uint8Array {
  const { fromHour, untilHour } = span;
  const kinds = [...new Set(span.kinds)].sort((a, b) => a - b);
  kinds.forEach(assertKind);
  assert(kinds.length === span.kinds.length && isSpan(kinds.length, fromHour, untilHour), 'a span has kinds and hours');
  const cover = coverOf(fromHour, untilHour);
  const keys = cover.keys * kinds.length;
  if (keys > subtreeLimits.keysMax) throw new SubtreeLimitError(keys);
  const bytes = new Uint8Array(headBytes + kinds.length + keys * nodeKeyBytes);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  bytes.set(subject, 1);
  view.setUint32(1 + subjectBytes, fromHour);
  view.setUint32(1 + subjectBytes + 4, untilHour);
  bytes[headBytes - 1] = kinds.length;
  bytes.set(kinds, headBytes);
  let at = headBytes + kinds.length;
  for (const kind of kinds) {
    for (const key of nodeKeys(kindKeyOf(kind), cover)) {
      bytes.set(key, at);
      at += nodeKeyBytes;
    }
  }
  return bytes;
}

function* nodeKeys(kindKey: Uint8Array, cover: Cover): Iterable<Uint8Array> {
  yield* hourKeys(kindKey, cover.leadingHours);
  for (let day = cover.days[0]; day < cover.days[1]; day += 1) yield childKey(kindKey, 'day', day);
  yield* hourKeys(kindKey, cover.trailingHours);
}

function* hourKeys(kindKey: Uint8Array, [from, until]: readonly [number, number]): Iterable<Uint8Array> {
  for (let hour = from; hour < until; hour += 1) {
    yield childKey(childKey(kindKey, 'day', Math.floor(hour / hoursPerDay)), 'hour', hour % hoursPerDay);
  }
}

function isSpan(kinds: number, fromHour: number, untilHour: number): boolean {
  const areHours = Number.isInteger(fromHour) && Number.isInteger(untilHour);
  return (
    kinds > 0 &&
    kinds <= subtreeLimits.kindsMax &&
    areHours &&
    fromHour >= 0 &&
    untilHour > fromHour &&
    untilHour <= subtreeLimits.hourMax
  );
}

/**
 * Reads what `KeyTree.subtree` encoded. Whether the keys are those of the subject shows when something is opened.
 * @throws {SubtreeMalformedError}
 */
export function openSubtree(encoded: Uint8Array): KeySubtree {
  if (encoded.length < headBytes || encoded[0] !== version) throw new SubtreeMalformedError('head');
  const bytes = encoded.slice();
  const view = new DataView(bytes.buffer);
  const subject = bytes.subarray(1, 1 + subjectBytes);
  const fromHour = view.getUint32(1 + subjectBytes);
  const untilHour = view.getUint32(1 + subjectBytes + 4);
  const count = view.getUint8(headBytes - 1);
  if (!isSpan(count, fromHour, untilHour)) throw new SubtreeMalformedError('span');
  const kinds = [...bytes.subarray(headBytes, headBytes + count)];
  if (kinds.some((kind, index) => index > 0 && kind <= (kinds[index - 1] as number)))
    throw new SubtreeMalformedError('kinds');
  const cover = coverOf(fromHour, untilHour);
  const keysStart = headBytes + count;
  const keys = cover.keys * count;
  if (keys > subtreeLimits.keysMax || bytes.length !== keysStart + keys * nodeKeyBytes)
    throw new SubtreeMalformedError('keys');
  const keyAt = (place: number) => bytes.subarray(keysStart + place * nodeKeyBytes).subarray(0, nodeKeyBytes);
  const leafKeyOf = (kind: number, hour: number) => {
    const ofKind = kinds.indexOf(kind);
    if (ofKind < 0 || hour < fromHour || hour >= untilHour) throw new OutsideSubtreeError({ kind, hour });
    return leafKeyIn(cover, hour, (place) => keyAt(ofKind * cover.keys + place));
  };
  const leaves = new TreeLeaves(subject, leafKeyOf, leafKeysKept);
  return {
    subject,
    subjectId: hexOf(subject),
    kinds,
    fromHour,
    untilHour,
    open: (place, sealed) => leaves.open(place, sealed),
  };
}

/** The key of an hour within the cover, whose keys stand in order from place 0. */
function leafKeyIn({ leadingHours, days, trailingHours }: Cover, hour: number, keyAt: (place: number) => Uint8Array) {
  if (hour < leadingHours[1]) return keyAt(hour - leadingHours[0]);
  const daysStart = leadingHours[1] - leadingHours[0];
  if (hour >= trailingHours[0]) return keyAt(daysStart + (days[1] - days[0]) + (hour - trailingHours[0]));
  const dayKey = keyAt(daysStart + Math.floor(hour / hoursPerDay) - days[0]);
  return childKey(dayKey, 'hour', hour % hoursPerDay);
}
