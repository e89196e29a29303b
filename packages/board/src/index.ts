export type { Author, Board, PublishedEntry } from './board.ts';
export type * from './entries/bodies.ts';
export { type AnyBoardEntry, type BoardEntry, type EntryKind, entryBytesMax } from './entry.ts';
