export {
  type AdditiveSettings,
  type AdditiveShare,
  type AdditiveSite,
  additiveLimits,
  additiveSettingsFault,
  additiveShareStep,
  createAdditiveSite,
  type PartialSum,
  partialSumStep,
} from './additive.ts';
export {
  createSumCollector,
  type OpenedSum,
  type SumCollector,
  type SumFailure,
  type SumOutcome,
} from './collector.ts';
export {
  decodeFixedPoint,
  type EncodedVector,
  encodeFixedPoint,
  type FixedPointTerms,
  fixedPointFault,
  NotANumberError,
} from './encoding/fixed-point.ts';
export {
  type Advertisement,
  advertiseStep,
  deliveryStep,
  type KeyList,
  keysHashOf,
  keysStep,
  type MaskedVector,
  maskedHashOf,
  maskedStep,
  type Reveal,
  type RevealedShare,
  revealStep,
  type SealedShares,
  sharesStep,
} from './messages.ts';
export { createSummingOwner, type SummingOwner, type Survivor, type TakenKeys } from './owner.ts';
export type { RefusalCounts, SumRefusal, Taken } from './refusal.ts';
export { customarySumGraph, type SumSettings, secureSumLimits, sumSettingsFault } from './settings.ts';
