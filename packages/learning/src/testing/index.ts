export type { CrashPlan } from './crashing.ts';
export { type Lies, lyingParty } from './lying-party.ts';
export { type PlainRun, startPlainRun } from './plain-run.ts';
export {
  plainCombine,
  plainEnrolment,
  plainJoin,
  plainOutput,
  plainSum,
  plainSumTask,
  plainVector,
  plainWork,
} from './plain-sum.ts';
export { SentWatch } from './sent-watch.ts';
export { type PartyProgram, PartyWorld, type PartyWorldOptions, type WorldAgent } from './world.ts';
