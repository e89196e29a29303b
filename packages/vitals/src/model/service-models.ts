import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, errorCode, type Logger, startTicker } from '@pulsemesh/base';
import { shortContentId } from '@pulsemesh/wire';
import { z } from 'zod';
import type { InputKind } from '../windows/window.ts';
import { decodeOnnx, modelBytesMax } from './onnx.ts';
import {
  createPredictor,
  inputKinds,
  type Predictor,
  type PredictorOptions,
  shippedModelsDirectory,
} from './predictor.ts';
import { ModelFileError } from './protobuf.ts';

/** Beside a model that was put into service: where it comes from. */
const provenanceSchema = z.strictObject({
  /** Content id of the model file, 16 hex characters. */
  modelId: z.string().regex(/^[0-9a-f]{16}$/),
  /** The entry of the task on the board that it was learned by. */
  task: z.string().max(64),
  /** Milliseconds since 1970. */
  sinceMs: z.number().nonnegative(),
});

/** Where a model in service comes from. */
export type ModelProvenance = z.infer<typeof provenanceSchema>;

const lookPeriodMs = 5_000;
const provenanceBytesMax = 4_096;

/**
 * Puts a model file into service in a folder that {@link openServicePredictor} looks at; the one before is kept beside it for
 * {@link takeOutOfService}. Written whole or not at all. @throws {ModelFileError} for bytes that are no model of ours.
 */
export async function putIntoService(
  directory: string,
  input: InputKind,
  bytes: Uint8Array,
  provenance: Omit<ModelProvenance, 'modelId'>,
): Promise<string> {
  decodeOnnx(bytes);
  const modelId = shortContentId(bytes);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const place = placeOf(directory, input);
  const running = await readFile(place.model).catch(() => null);
  if (running !== null && shortContentId(running) === modelId) return modelId;
  if (running !== null) await writeWhole(place.previous, running);
  await writeWhole(place.provenance, Buffer.from(JSON.stringify({ ...provenance, modelId })));
  await writeWhole(place.model, bytes);
  return modelId;
}

/** Back to the model before, or to the shipped one. */
export async function takeOutOfService(directory: string, input: InputKind): Promise<void> {
  const place = placeOf(directory, input);
  await rm(place.provenance, { force: true });
  if (existsSync(place.previous)) await rename(place.previous, place.model);
  else await rm(place.model, { force: true });
}

/** Where the model in service comes from; null for a shipped one. */
export async function provenanceOf(directory: string, input: InputKind): Promise<ModelProvenance | null> {
  const text = await readFile(placeOf(directory, input).provenance, 'utf8').catch(() => null);
  if (text === null || text.length > provenanceBytesMax) return null;
  try {
    const parsed = provenanceSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The bytes of the model in service: that of the folder, else the shipped one. @throws {ModelFileError}. */
export async function modelInService(directory: string, input: InputKind): Promise<Uint8Array> {
  const file = join(directoryOf(directory, input), `${input}.onnx`);
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ModelFileError(`${input}.onnx cannot be read (${errorCode(cause)})`, { cause });
  }
}

/**
 * A predictor that follows a folder: models that are put there while it runs take over between two calls, and one that cannot be
 * read leaves the one before in service. Inputs without a file of their own have the shipped model.
 * @throws as `createPredictor`.
 */
export async function openServicePredictor(
  { directory, ...options }: { readonly directory: string } & Pick<PredictorOptions, 'engine'>,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Predictor> {
  const load = () =>
    createPredictor({ ...options, modelsDirectory: (input) => directoryOf(directory, input) }, { logger });
  let seen = await stateOf(directory);
  let current = await load();
  /** Calls that run on a predictor; one that was replaced is closed after the last. */
  const running = new Map<Predictor, number>();
  let looking: Promise<void> = Promise.resolve();
  const release = async (predictor: Predictor) => {
    if (predictor !== current && (running.get(predictor) ?? 0) === 0) await predictor[Symbol.asyncDispose]();
  };
  const look = async () => {
    const state = await stateOf(directory);
    if (state === seen) return;
    seen = state;
    try {
      const next = await load();
      const before = current;
      current = next;
      await release(before);
      logger.info('another rhythm model is in service', { rr: next.modelId('rr') });
    } catch (error) {
      logger.warn('a model in the models folder cannot be used; the one before stays', { code: errorCode(error) });
    }
  };
  const ticker = startTicker(
    clock,
    lookPeriodMs,
    () => {
      looking = looking.then(look);
    },
    () => {},
  );
  return {
    get engine() {
      return current.engine;
    },
    modelId: (input) => current.modelId(input),
    async predict(windows) {
      const predictor = current;
      running.set(predictor, (running.get(predictor) ?? 0) + 1);
      try {
        return await predictor.predict(windows);
      } finally {
        const left = (running.get(predictor) ?? 1) - 1;
        if (left > 0) running.set(predictor, left);
        else running.delete(predictor);
        await release(predictor);
      }
    },
    async [Symbol.asyncDispose]() {
      ticker.stop();
      await looking;
      await current[Symbol.asyncDispose]();
    },
  };
}

function placeOf(directory: string, input: InputKind) {
  return {
    model: join(directory, `${input}.onnx`),
    previous: join(directory, `${input}.previous.onnx`),
    provenance: join(directory, `${input}.json`),
  };
}

function directoryOf(directory: string, input: InputKind): string {
  return existsSync(placeOf(directory, input).model) ? directory : shippedModelsDirectory;
}

/** Changes when a model of the folder does. */
async function stateOf(directory: string): Promise<string> {
  const ids = await Promise.all(
    inputKinds.map(async (input) => {
      const bytes = await readFile(placeOf(directory, input).model).catch(() => null);
      return bytes === null ? 'shipped' : bytes.length > modelBytesMax ? 'too large' : shortContentId(bytes);
    }),
  );
  return ids.join(' ');
}

async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const next = `${file}.new`;
  const handle = await open(next, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
}
