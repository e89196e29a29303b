import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import { z } from 'zod';
import type { EntryKind } from '../entry.ts';
import type { EntryBodies } from './bodies.ts';
import { entryLimits } from './limits.ts';

/** Text that shows as what it is: nothing that turns, hides or breaks what stands beside it (Unicode Cc, Cf, Zl, Zp). */
function plainText(charactersMax: number) {
  return z
    .string()
    .min(1)
    .max(charactersMax)
    .refine(
      (text) =>
        text.isWellFormed() &&
        text === text.normalize('NFC') &&
        text === text.trim() &&
        !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text),
      'must be plain text',
    );
}

/** As {@link plainText}, with line feeds between lines. */
const longText = z
  .string()
  .min(1)
  .max(entryLimits.textCharactersMax)
  .refine(
    (text) =>
      text.isWellFormed() &&
      text === text.normalize('NFC') &&
      !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text.replaceAll('\n', ' ')),
    'must be plain text',
  );

const title = plainText(entryLimits.titleCharactersMax);
const reason = plainText(entryLimits.reasonCharactersMax);
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
const count = z.int().min(0);
const timeMs = z.int().min(0);
const finite = z.number();
const bytes = (max: number) =>
  z.instanceof(Uint8Array).refine((value) => value.length >= 1 && value.length <= max, `must be 1 to ${max} bytes`);

const peer = z
  .string()
  .max(64)
  .refine((text) => {
    try {
      return parsePeerId(text).startsWith('12D3');
    } catch {
      return false;
    }
  }, 'must be an Ed25519 peer id')
  .transform((text) => text as PeerId); // checked just above

const peers = (min: number) =>
  z
    .array(peer)
    .min(min)
    .max(entryLimits.sitesMax)
    .refine((list) => new Set(list).size === list.length, 'must name nobody twice');

const key = z
  .strictObject({
    action: z.enum(['enrol', 'rotate', 'revoke']),
    subject: peer,
    name: title,
    card: bytes(entryLimits.cardBytesMax).exactOptional(),
    reason: reason.exactOptional(),
  })
  .refine(({ action, card }) => (action === 'revoke') === (card === undefined), 'a card, except in a revocation')
  .refine(({ action, reason: why }) => action === 'revoke' || why === undefined, 'a reason is of a revocation');

const trainingWork = z.strictObject({
  kind: z.literal('training'),
  model: z.strictObject({
    family: title,
    inputs: z.int().min(1).max(entryLimits.parametersMax),
    hidden: z.array(z.int().min(1).max(entryLimits.parametersMax)).max(entryLimits.layersMax),
    parameters: z.int().min(1).max(entryLimits.parametersMax),
  }),
  algorithm: z.enum(['fedavg', 'fedprox']),
  proximal: finite.min(0).max(1e6),
  localEpochs: z.int().min(1).max(10_000),
  batchSize: z.int().min(1).max(1_000_000),
  learningRate: finite.positive().max(1e3),
  weightDecay: finite.min(0).max(1e3),
  seed: count,
});

const surveyQuestion = z
  .strictObject({
    name: title,
    column: title,
    statistic: z.enum(['count', 'mean', 'histogram', 'quantile']),
    low: finite,
    high: finite,
    bins: z.int().min(1).max(entryLimits.binsMax).exactOptional(),
    quantiles: z.array(finite.min(0).max(1)).min(1).max(entryLimits.quantilesMax).exactOptional(),
  })
  .refine(({ low, high }) => low <= high, 'the range must not be empty');

const surveyWork = z.strictObject({
  kind: z.literal('survey'),
  questions: z.array(surveyQuestion).min(1).max(entryLimits.questionsMax),
});

const sumTerms = z.strictObject({
  range: finite.positive(),
  steps: finite.positive(),
  neighbours: z.union([z.int().min(1).max(entryLimits.sitesMax), z.literal('all')]),
  threshold: z.int().min(1).max(entryLimits.sitesMax),
});

const privacyTerms = z.strictObject({
  epsilonMax: finite.positive(),
  delta: finite.positive().lt(1),
  normMax: finite.positive(),
  noiseMultiplier: finite.min(0),
  unit: z.enum(['site', 'patient']),
});

const task = z
  .strictObject({
    title,
    purpose: title,
    work: z.discriminatedUnion('kind', [trainingWork, surveyWork]),
    query: z.strictObject({ name: title, version: count, columns: z.array(title).max(entryLimits.columnsMax) }),
    invited: peers(0),
    aggregator: peer.nullable(),
    sitesMin: z.int().min(1).max(entryLimits.sitesMax),
    sitesMax: z.int().min(1).max(entryLimits.sitesMax),
    sum: sumTerms,
    privacy: privacyTerms.nullable(),
    rounds: z.int().min(1).max(entryLimits.roundsMax),
    stepMs: z.int().min(1),
    deadlineMs: timeMs,
    codeHash: hash,
  })
  .refine(({ sitesMin, sitesMax }) => sitesMin <= sitesMax, 'sitesMin must not be above sitesMax');

const contract = z
  .strictObject({
    task: hash,
    action: z.enum(['sign', 'leave']),
    limits: z
      .strictObject({
        epsilonMax: finite.min(0).nullable(),
        roundsMax: z.int().min(1).max(entryLimits.roundsMax),
        patientsMin: count,
      })
      .exactOptional(),
    data: z
      .strictObject({ query: title, queryVersion: count, patients: count, records: count, consentsHash: hash })
      .exactOptional(),
    reason: reason.exactOptional(),
  })
  .refine(
    ({ action, limits, data }) => action === 'leave' || (limits !== undefined && data !== undefined),
    'who signs says with which limits and data',
  );

const survivor = z.strictObject({ site: peer, maskedHash: hash });

const roundStep = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('opened'),
    sites: peers(1),
    contracts: z.array(hash).max(entryLimits.sitesMax),
    input: hash,
  }),
  z.strictObject({ name: z.literal('keys'), sites: peers(1), keysHash: hash }),
  z.strictObject({
    name: z.literal('survivors'),
    survivors: z
      .array(survivor)
      .max(entryLimits.sitesMax)
      .refine((list) => new Set(list.map(({ site }) => site)).size === list.length, 'must name nobody twice'),
  }),
  z.strictObject({
    name: z.literal('closed'),
    outcome: z.enum(['summed', 'failed']),
    reason: reason.exactOptional(),
    sumHash: hash.exactOptional(),
    output: hash.exactOptional(),
    sites: count.max(entryLimits.sitesMax).exactOptional(),
    clipped: count.exactOptional(),
    durationsMs: z.array(finite.min(0)).max(entryLimits.stepsMax).exactOptional(),
    epsilon: finite.min(0).nullable().exactOptional(),
  }),
]);

const round = z.strictObject({
  task: hash,
  round: z.int().min(1).max(entryLimits.roundsMax),
  attempt: z.int().min(1).max(entryLimits.attemptsMax),
  step: roundStep,
});

const model = z.strictObject({
  task: hash,
  hash,
  bytes: count,
  weights: bytes(entryLimits.weightsBytesMax).exactOptional(),
  rounds: count.max(entryLimits.roundsMax),
  sites: count.max(entryLimits.sitesMax),
  epsilon: finite.min(0).nullable(),
});

const auc = finite.min(0).max(1);

const evaluation = z.strictObject({
  task: hash,
  model: hash,
  auc,
  runningAuc: auc.nullable(),
  patients: count,
});

const anchor = z.strictObject({ about: z.enum(['consent', 'access']), root: hash, count });

const announcement = z.strictObject({ title, text: longText });

const cohort = z.strictObject({
  criteria: z.strictObject({
    recordedHoursMin: count.max(entryLimits.recordedHoursMax).exactOptional(),
    irregular: z.boolean().exactOptional(),
    input: z.enum(['rr', 'hr', 'wrist']).exactOptional(),
  }),
  patients: count.min(1),
  vitals: z
    .array(z.enum(['readings', 'windows', 'predictions', 'alerts']))
    .min(1)
    .max(4)
    .refine((list) => new Set(list).size === list.length, 'must name none twice'),
});

const catalogue = z.strictObject({
  organisation: title,
  cohorts: z.array(cohort).max(entryLimits.cohortsMax),
  updatedMs: timeMs,
});

const bytesUpTo = (max: number) =>
  z.instanceof(Uint8Array).refine((value) => value.length <= max, `must be at most ${max} bytes`);

const grant = z.strictObject({
  grant: hash,
  step: z.enum(['purchase', 'confirm', 'refund', 'revoke', 'access']),
  offer: bytesUpTo(entryLimits.offerBytesMax),
  proof: bytesUpTo(entryLimits.proofBytesMax),
});

/** What the body of each kind must look like, to the last field. */
export const bodySchemas: { readonly [Kind in EntryKind]: z.ZodType<EntryBodies[Kind]> } = {
  key,
  task,
  contract,
  round,
  model,
  evaluation,
  anchor,
  announcement,
  catalogue,
  grant,
};

/** All kinds there are. */
export const entryKinds = Object.keys(bodySchemas) as readonly EntryKind[]; // its keys, as its type says
