export {
  type EnvelopeSuite,
  envelopeOverheadBytes,
  type OpenEnvelopeInput,
  type OpenedEnvelope,
  openEnvelope,
  type SealEnvelopeInput,
  sealEnvelope,
} from './envelope.ts';
export { ContentTooLargeError, type RefusalReason, SealRefusedError } from './errors.ts';
export { envelopeLimits, sizeClasses, sizeClassOf } from './padding.ts';
export type { EnvelopeOpener, EnvelopeRecipient, EnvelopeSender, OpeningKey, SealingAgreement } from './parties.ts';
