export {
  deliveryOf,
  type EnvelopeInput,
  envelopeLimits,
  openEnvelope,
  sealEnvelope,
  wrappedKeyBytes,
  wrappedKeyOf,
} from './envelope.ts';
export { type EnvelopeRefusal, EnvelopeRefusedError } from './errors.ts';
export { kindOfVital, type ReleaseSpan } from './span.ts';
