import { MalformedError } from '../errors.ts';

/** Hashes of a full tile, and entries of a full bundle. */
export const tileWidth = 256;

/** Which resource of a tiled log: hashes of a level, or entries. */
export interface TileName {
  readonly level: number | 'entries';
  /** From 0, within the level. */
  readonly index: number;
  /** 1 … {@link tileWidth}; below it the tile is partial. */
  readonly width: number;
}

/** `tile/<L>/<N>[.p/<W>]`, N in groups of three digits (C2SP tlog-tiles). */
export function tilePath({ level, index, width }: TileName): string {
  const partial = width === tileWidth ? '' : `.p/${width}`;
  return `tile/${level}/${groupsOf(index)}${partial}`;
}

const pathForm = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;
/** `tile/`, a level, six groups and a width. */
const pathCharactersMax = 64;

/** What a path names. @throws {MalformedError} for any but the one spelling of a tile. */
export function parseTilePath(path: string): TileName {
  const match = path.length > pathCharactersMax ? null : pathForm.exec(path);
  if (match === null) throw new MalformedError('tile path', 'another form');
  const [, level = '', groups = '', widthText] = match;
  const name = {
    level: level === 'entries' ? ('entries' as const) : Number(level),
    index: Number(groups.replaceAll(/[x/]/g, '')),
    width: widthText === undefined ? tileWidth : Number(widthText),
  };
  const isSound =
    (name.level === 'entries' || name.level < 64) &&
    Number.isSafeInteger(name.index) &&
    (widthText === undefined || name.width < tileWidth) &&
    groupsOf(name.index) === groups;
  if (!isSound) throw new MalformedError('tile path', 'a number out of range or with zeros before it');
  return name;
}

function groupsOf(index: number): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g) ?? [];
  return groups.map((group, place) => (place === groups.length - 1 ? group : `x${group}`)).join('/');
}

/** Width that tile `index` of a level has in a tree of `size` leaves: 0 where it does not exist. */
export function tileWidthAt(level: number | 'entries', index: number, size: number): number {
  const hashes = Math.floor(size / tileWidth ** (level === 'entries' ? 0 : level));
  return Math.max(0, Math.min(tileWidth, hashes - index * tileWidth));
}
