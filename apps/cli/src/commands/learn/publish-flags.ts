import type { SurveyQuestion, TaskBody } from '@pulsemesh/board';
import type { NoiseTerms, StudyTerms } from '@pulsemesh/node/learning';
import { parsePeerId } from '@pulsemesh/wire';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../output.ts';
import { parseCount, parseSeconds } from '../../parse.ts';
import { readBoardFile } from '../board/board-flags.ts';
import { parseAmount, readQuery } from './learn-flags.ts';

/** What a publisher says of a task. */
export interface TaskFlags {
  readonly rhythm?: true;
  readonly family: 'rhythm' | 'logistic';
  readonly ask?: readonly SurveyQuestion[];
  readonly task?: string;
  readonly title?: string;
  readonly purpose?: string;
  readonly query?: string;
  readonly invite?: readonly string[];
  readonly sitesMin?: number;
  readonly sitesMax?: number;
  readonly aggregator?: string;
  readonly rounds: number;
  readonly localEpochs: number;
  readonly learningRate?: number;
  readonly proximal: number;
  readonly epsilon?: number;
  readonly delta: number;
  readonly unit: NoiseTerms['unit'];
  readonly normMax: number;
  readonly range?: number;
  readonly step: number;
  readonly within: number;
  readonly seed: number;
}

/** Adds them to a command. */
export function withTaskFlags(command: Command): Command {
  return command
    .optionsGroup('What is learned:')
    .option('--rhythm', 'from labelled heart recordings (sites join with --recordings)')
    .option('--query <file>', 'from tables of this form, JSON (sites join with --csv and the same file)')
    .addOption(
      new Option('--family <model>', 'what is trained')
        .choices(['rhythm', 'logistic'])
        .default('rhythm', 'rhythm with --rhythm, else logistic'),
    )
    .option('--ask <question>', 'ask instead of training; may be repeated. See below', addQuestion)
    .option('--task <file>', 'or a whole task as JSON, of the form that `learn status TASK --json` shows as "task"')
    .optionsGroup('With whom:')
    .option('--title <text>', 'what people read')
    .option('--purpose <text>', 'what patients’ consents must name (default: research/rhythm with --rhythm)')
    .option('--invite <peer...>', 'who may take part (default: every enrolled key)')
    .option('--sites-min <number>', 'fewest sites (default: all invited, at least 3)', parseCount)
    .option('--sites-max <number>', 'most sites (default: all invited, or 100)', parseCount)
    .option(
      '--aggregator <peer>',
      'who adds up: a peer id, or `none`: up to ten sites among themselves (default: this party)',
    )
    .optionsGroup('How it is trained:')
    .option('--rounds <number>', 'rounds of training', parseCount, 10)
    .option('--local-epochs <number>', 'of each site in a round', parseCount, 2)
    .option('--learning-rate <number>', 'the step (default: what suits the model)', parseAmount)
    .option(
      '--proximal <number>',
      'FedProx: holds sites that differ near each other; 0: plain averaging',
      parseAmount,
      0,
    )
    .option('--seed <number>', 'what training starts from', parseCount, 1)
    .optionsGroup('How much it tells of one patient:')
    .option('--epsilon <number>', 'add noise: budget over the whole task (default: exact, no noise)', parseAmount)
    .option('--delta <number>', 'the budget holds but for this probability', parseAmount, 1e-5)
    .addOption(new Option('--unit <who>', 'whom the noise hides').choices(['site', 'patient']).default('patient'))
    .option('--norm-max <number>', 'longest update of one unit; longer ones are scaled down', parseAmount, 1)
    .optionsGroup('When and how far:')
    .option('--range <number>', 'what a site’s numbers are clipped to (default: what suits the task)', parseAmount)
    .option('--step <seconds>', 'how long a step of a round waits for those who are late', parseSeconds, 120)
    .option('--within <seconds>', 'nothing begins after it', parseSeconds, 7 * 86_400)
    .optionsGroup('Options:');
}

const statistics = ['count', 'mean', 'histogram', 'quantile'] as const;

/** `mean:age:0:120`, `histogram:age:0:120:12`, `quantile:age:0:120:60:0.25,0.5,0.75`. */
function addQuestion(text: string, before: readonly SurveyQuestion[] = []): readonly SurveyQuestion[] {
  const [statistic, column = '', low = '', high = '', bins, quantiles, ...rest] = text.split(':');
  const known = statistics.find((one) => one === statistic);
  const numbers = [low, high, ...(bins === undefined ? [] : [bins]), ...(quantiles?.split(',') ?? [])];
  const isUnderstood = known !== undefined && column !== '' && rest.length === 0;
  if (!isUnderstood || numbers.some((number) => number.trim() === '' || !Number.isFinite(Number(number))))
    throw new InvalidArgumentError('Wanted: STATISTIC:COLUMN:LOW:HIGH[:BINS[:QUANTILES]], as mean:age:0:120.');
  const question = {
    name: `${known} of ${column}`,
    column,
    statistic: known,
    low: Number(low),
    high: Number(high),
    ...(bins === undefined ? {} : { bins: Number(bins) }),
    ...(quantiles === undefined ? {} : { quantiles: quantiles.split(',').map(Number) }),
  };
  return [...before, question];
}

/** The task that the flags describe. @throws {UsageError}; {StudyUnfitError}. */
export async function taskOf(flags: TaskFlags, self: string, nowMs: number): Promise<TaskBody> {
  if (flags.task !== undefined) return readTask(flags.task);
  const { surveyTask, trainingTask } = await import('@pulsemesh/node/learning');
  const terms = await termsOf(flags, self, nowMs);
  if (flags.ask !== undefined) return surveyTask(terms, flags.ask);
  const { rounds, localEpochs, learningRate, proximal, seed } = flags;
  const family = flags.rhythm ? flags.family : 'logistic';
  const rate = learningRate === undefined ? {} : { learningRate };
  return trainingTask(terms, { family, rounds, localEpochs, proximal, seed, ...rate });
}

async function termsOf(flags: TaskFlags, self: string, nowMs: number): Promise<StudyTerms> {
  const { codeHash, rhythmPurpose, rhythmQuery } = await import('@pulsemesh/node/learning');
  const { title, query: queryFile, epsilon, delta, unit, normMax } = flags;
  const purpose = flags.purpose ?? (flags.rhythm ? rhythmPurpose : undefined);
  if ((flags.rhythm === undefined) === (queryFile === undefined))
    throw new UsageError('say from what to learn: --rhythm, or --query FILE, or --task FILE');
  if (title === undefined || purpose === undefined)
    throw new UsageError('say --title, and with --query a --purpose: people read both, and consents name the purpose');
  const invited = (flags.invite ?? []).map(parsePeerId);
  const sitesMin = flags.sitesMin ?? Math.max(3, invited.length);
  const isAlone = flags.aggregator === 'none';
  const usual = invited.length > 0 ? invited.length : isAlone ? 10 : 100;
  return {
    title,
    purpose,
    query: queryFile === undefined ? rhythmQuery : await readQuery(queryFile),
    aggregator: isAlone ? null : parsePeerId(flags.aggregator ?? self),
    invited,
    sitesMin,
    sitesMax: flags.sitesMax ?? Math.max(sitesMin, usual),
    stepMs: flags.step * 1000,
    deadlineMs: nowMs + flags.within * 1000,
    codeHash: await codeHash(),
    noise: epsilon === undefined ? null : { epsilon, delta, unit, normMax },
    ...(flags.range === undefined ? {} : { range: flags.range }),
  };
}

/** What the board's schema finds wrong in it is told when it is published. */
function readTask(file: string): TaskBody {
  try {
    return JSON.parse(readBoardFile(file).toString('utf8')) as TaskBody;
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${file} is not JSON`);
    throw error;
  }
}
