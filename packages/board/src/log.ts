// What a process that holds a board's log needs, besides what all need.
export {
  type BoardHttp,
  type BoardHttpDependencies,
  type BoardHttpOptions,
  type BoardRequest,
  type BoardRoute,
  boardHttpLimits,
  boardHttpPrefix,
  createBoardHttp,
} from './http/board-http.ts';
export {
  type AppendedLeaf,
  type BoardLog,
  type BoardLogDependencies,
  type BoardLogOptions,
  logLimits,
  type SignedCheckpoint,
} from './log/board-log.ts';
export {
  LeafRefusedError,
  LogBusyError,
  LogClosedError,
  type LogDamage,
  LogDamagedError,
  LogFullError,
} from './log/errors.ts';
export { openBoardLog } from './log/stored-log.ts';
export { cosignText, type SigningKey } from './notes/keys.ts';
export { formatNote, type NoteSignature, parseNote, type SignedNote } from './notes/note.ts';
export { formatReceipt } from './receipt/receipt.ts';
