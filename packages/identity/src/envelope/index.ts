export {
  type EnvelopeSuite,
  envelopeOverheadBytes,
  type OpenEnvelopeInput,
  type OpenedEnvelope,
  openEnvelope,
  type SealEnvelopeInput,
  sealEnvelope,
} from './envelope.ts';
export {
  ContentTooLargeError,
  PairStateError,
  PairUnansweredError,
  type RefusalReason,
  SealRefusedError,
} from './errors.ts';
export { envelopeLimits, sizeClasses, sizeClassOf } from './padding.ts';
export { openPairHint, type PairHint, pairHintBytes, sealPairHint } from './pair-hint.ts';
export { type PairLimits, pairTagOf } from './pair-ratchet.ts';
export {
  type AcceptedPairSession,
  acceptPairSession,
  batchOverheadBytes,
  type PairSession,
  pairLimits,
  restorePairSession,
  startPairSession,
} from './pair-session.ts';
export type { EnvelopeOpener, EnvelopeRecipient, EnvelopeSender, OpeningKey, SealingAgreement } from './parties.ts';
