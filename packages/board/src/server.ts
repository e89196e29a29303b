export {
  Admission,
  AdmissionFullError,
  type AdmittedAuthor,
  admissionLimits,
  type DailyQuota,
} from './admission/admission.ts';
export { BoardGate, type BoardGateOptions, type GatedEntry } from './admission/board-gate.ts';
export { NotAdmittedError } from './admission/errors.ts';
export {
  type BoardHttp,
  type BoardRoute,
  boardHttpLimits,
  boardHttpPrefix,
  createBoardHttp,
} from './http/board-http.ts';
export { type AppendedLeaf, type BoardLog, logLimits, type SignedCheckpoint } from './log/board-log.ts';
export { LogBusyError, LogClosedError, type LogDamage, LogDamagedError, LogFullError } from './log/errors.ts';
export { openBoardLog } from './log/stored-log.ts';
export { cosignText } from './notes/keys.ts';
export { formatNote, parseNote } from './notes/note.ts';
export { formatReceipt } from './receipt/receipt.ts';
export { CosignatureCollector, type KnownWitness } from './witness/cosignature-collector.ts';
export { type PullWitness, startPullWitness } from './witness/pull-witness.ts';
export { Witness } from './witness/witness.ts';
export { createCollectorRoutes, createWitnessHttp } from './witness/witness-http.ts';
