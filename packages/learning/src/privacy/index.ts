export { accountant, multiplierAgainst, multiplierFor } from './accountant.ts';
export {
  type DurablePrivacyBook,
  openPrivacyBook,
  PrivacyBookError,
  type PrivacyBookOptions,
  type PrivacySpent,
  privacyBookLimits,
} from './book.ts';
export { createDiscreteGaussian } from './discrete-gaussian.ts';
export { addTruncated, clippedToNorm, noiseFault, noisyVector, siteDeviationSteps } from './noise.ts';
export {
  concentrationOf,
  distributedGaussianCurve,
  epsilonOf,
  epsilonOfCurve,
  gaussianCurve,
  type RenyiCurve,
  roundedNorm,
  sampledGaussianCurve,
} from './renyi.ts';
