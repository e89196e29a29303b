import { join } from 'node:path';
import { createLogger } from '@pulsemesh/base';
import type { EvaluationReport } from '@pulsemesh/vitals/model';
import { type Command, Option } from 'commander';
import { type Output, table, UsageError } from '../output.ts';
import { parseCount, parseFolds } from '../parse.ts';

interface EvaluateFlags {
  readonly recordings: string;
  readonly input: 'rr' | 'hr' | 'wrist';
  readonly folds?: number;
  readonly models?: string;
  readonly json?: boolean;
}

interface TrainFlags {
  readonly recordings?: string;
  readonly out?: string;
  readonly seed: number;
  readonly folds: number;
}

/** `pulsemesh model`: score and train the rhythm model. */
export function addModel(program: Command, output: Output): void {
  const model = program.command('model').summary('score the rhythm model on recordings, or train it anew');
  const logger = createLogger({ level: 'silent' });
  const progress = ({ what, done, total }: { what: string; done: number; total: number }) =>
    output.err(`${what} ${done} of ${total}`);
  model
    .command('evaluate')
    .summary('score recordings: per record and pooled')
    .requiredOption('--recordings <directory>', 'a folder of rr.csv.gz, WFDB or 1 Hz CSV recordings')
    .addOption(new Option('--input <kind>', 'what the wearable measures').choices(['hr', 'wrist', 'rr']).default('rr'))
    .option('--folds <count>', 'train and score by folds of patients instead of scoring the shipped model', parseCount)
    .option('--models <directory>', 'other models than the shipped ones')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ pulsemesh model evaluate --recordings ~/recordings/rr --input wrist --json')
    .action(async ({ recordings, input, folds, models, json }: EvaluateFlags) => {
      const { evaluateModel } = await import('@pulsemesh/vitals/model');
      if (folds !== undefined && folds < 2) throw new UsageError('--folds wants at least 2');
      const options = {
        recordingsDirectory: recordings,
        input,
        ...(folds === undefined ? {} : { folds }),
        ...(models === undefined ? {} : { modelsDirectory: models }),
      };
      const report = await evaluateModel(options, { logger, progress });
      if (json) output.out(JSON.stringify(report, null, 2));
      else for (const line of evaluationLines(report)) output.out(line);
    });
  model
    .command('train')
    .summary('train the models on recordings: the same recordings give the same files, byte for byte')
    .option('--recordings <directory>', 'default: PULSEMESH_RECORDINGS, else ../shared/data/rr beside the checkout')
    .option('--out <directory>', 'default: where the shipped models lie')
    .option('--seed <number>', 'default: that of the shipped models', parseCount, 1)
    .option('--folds <count>', 'folds by patient for the figures of the card; 0 for none', parseFolds, 5)
    .action(async (flags: TrainFlags) => {
      const { shippedModelsDirectory, trainModels } = await import('@pulsemesh/vitals/model');
      const recordingsDirectory = flags.recordings ?? (await foundRecordings());
      const outDirectory = flags.out ?? shippedModelsDirectory;
      const options = { recordingsDirectory, outDirectory, seed: flags.seed, folds: flags.folds };
      const manifest = await trainModels(options, { logger, progress });
      const { writeDriftReference } = await import('@pulsemesh/node/learning');
      await writeDriftReference(recordingsDirectory, outDirectory);
      for (const [input, { file, modelId }] of Object.entries(manifest.models))
        output.out(`${input}  ${file}  ${modelId}`);
      output.out(`written to ${outDirectory}`);
    });
}

async function foundRecordings(): Promise<string> {
  const { locateRecordings } = await import('@pulsemesh/vitals/recordings');
  const found = locateRecordings(process.env);
  if (found === null) throw new UsageError('no recordings are there; name a folder with --recordings');
  return join(found, 'rr');
}

/** The report as text. */
export function evaluationLines(report: EvaluationReport): readonly string[] {
  const rows = report.records.map((record) => cells(record as unknown as Readonly<Record<string, unknown>>));
  const pooled = cells(report.pooled as unknown as Readonly<Record<string, unknown>>);
  const names = Object.keys(pooled);
  return [
    `input ${report.input}, ${report.records.length} records, ${report.skipped.length} skipped`,
    '',
    ...table([names, ...rows.map((row) => names.map((name) => row[name] ?? ''))]),
    '',
    'pooled',
    ...table(names.map((name) => [`  ${name}`, pooled[name] ?? ''])),
    '',
    ...report.notes,
  ];
}

/** Numbers and texts of a report's row, one level deep: `{a: {b: 1}}` becomes `a.b`. */
function cells(row: Readonly<Record<string, unknown>>, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === 'number')
      found[`${prefix}${name}`] = Number.isInteger(value) ? String(value) : value.toFixed(4);
    else if (typeof value === 'string') found[`${prefix}${name}`] = value;
    else if (typeof value === 'object' && value !== null && !Array.isArray(value) && prefix === '') {
      Object.assign(found, cells(value as Readonly<Record<string, unknown>>, `${name}.`)); // plain rows of our own report
    }
  }
  return found;
}
