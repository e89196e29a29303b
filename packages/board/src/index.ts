export type { Author, Board, PublishedEntry } from './board.ts';
export { BoardClosedError, BoardLiedError, BoardRefusedError, BoardUnreachableError } from './client/errors.ts';
export type { Evidence } from './client/evidence.ts';
export type * from './entries/bodies.ts';
export { entryIdOf, parseEntry, signEntry } from './entries/entry-codec.ts';
export { type EntryRefusal, EntryRefusedError } from './entries/errors.ts';
export { entryLimits } from './entries/limits.ts';
export { type AnyBoardEntry, type BoardEntry, type EntryKind, entryBytesMax } from './entry.ts';
export { type KeyAlarm, KeyDirectory, type KnownKey, type OwnKey } from './keys/key-directory.ts';
