import { readFile } from 'node:fs/promises';
import { errorCode } from '@pulsemesh/base';
import { contentId } from '@pulsemesh/wire';
import { z } from 'zod';
import type { Recording } from '../recordings/recording.ts';
import { ModelFileError } from './protobuf.ts';

/** Name of the file beside the models that says what they were made from. */
export const manifestFile = 'manifest.json';

const count = z.number().int().nonnegative();
const share = z.number().min(0).max(1).nullable();

const windowFiguresSchema = z.object({
  scoredCount: count,
  unusableCount: count,
  unlabelledCount: count,
  irregularCount: count,
  areaUnderCurve: share,
  sensitivityAt95: share,
  sensitivityAt99: share,
});

const alertSummarySchema = z.object({
  alertCount: count,
  falseAlertCount: count,
  falseAlertsPerPatientDay: z.number().nonnegative().nullable(),
  regularHours: z.number().nonnegative(),
  episodeCount: count,
  episodeFoundCount: count,
  medianDelaySeconds: z.number().nullable(),
});

const entrySchema = z.object({
  file: z.string().max(64),
  /** Content id of the file, 16 hex characters. */
  modelId: z.string().regex(/^[0-9a-f]{16}$/),
  seed: count,
  trainer: z.object({
    /** Sizes of the hidden layers, as 32-16. */
    hidden: z.string().max(64),
    epochs: count,
    batchSize: count,
    learningRate: z.number(),
    weightDecay: z.number(),
  }),
  trainedOn: z.array(z.object({ name: z.string().max(255), fingerprint: z.string().max(64) })).max(10_000),
  /** Figures on patients the scoring network had not seen; null where too few patients were there to tell. */
  unseen: z
    .object({
      folds: count,
      recordCount: count,
      durationHours: z.number(),
      windows: windowFiguresSchema,
      alerts: alertSummarySchema,
    })
    .nullable(),
});

const manifestSchema = z.object({
  format: z.literal(1),
  models: z.record(z.enum(['rr', 'hr', 'wrist']), entrySchema),
});

/** What the model files beside it were made from, and how well they do. */
export type ModelManifest = z.infer<typeof manifestSchema>;
export type ModelManifestEntry = z.infer<typeof entrySchema>;

/**
 * Reads `manifest.json` in a models directory.
 * @throws {ModelFileError} when it is missing or not a manifest.
 */
export async function readManifest(modelsDirectory: string): Promise<ModelManifest> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(`${modelsDirectory}/${manifestFile}`, 'utf8'));
  } catch (cause) {
    throw new ModelFileError(`${manifestFile} cannot be read (${errorCode(cause)})`, { cause });
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw new ModelFileError(`${manifestFile} has another shape`, { cause: parsed.error });
  return parsed.data;
}

/** Names a recording by its content, whatever its file is called: 16 hex characters over the rounded values. */
export function fingerprintOf(recording: Recording): string {
  const values = recording.type === 'beats' ? recording.rrMs : recording.heartRateBpm;
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setInt32(index * 4, Math.round(value) | 0, true);
  return contentId(bytes).slice(0, 16);
}
