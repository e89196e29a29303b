import { dirname, join, resolve } from 'node:path';
import { dataDirectory } from '@pulsemesh/node';
import type { Learner, Site } from '@pulsemesh/node/learning';
import { type Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../../output.ts';
import { parseCount } from '../../parse.ts';
import { type agentDependencies, networkOf } from '../agent-flags.ts';
import { type BoardFlags, readBoardFile, readPolicy, withBoardFlags } from '../board/board-flags.ts';
import { type PlaceFlags, placeOf, withPlaceFlags } from '../identity/place.ts';

/** Who takes part, and through what. */
export interface LearnerFlags extends BoardFlags, PlaceFlags {}

/** Adds them to a command. */
export function withLearnerFlags(command: Command): Command {
  return withPlaceFlags(withBoardFlags(command), { json: false });
}

/** Where a party's files lie. */
export function learnerDirectory({ data }: Pick<LearnerFlags, 'data'>): string {
  return data ?? join(dataDirectory(), 'agent');
}

/**
 * Starts the party that enrolled in the data directory of the flags.
 * @throws {NoTokenError} where none did; {UsageError} where no board is known; what starting throws.
 */
export async function openLearner(flags: LearnerFlags, deps: ReturnType<typeof agentDependencies>): Promise<Learner> {
  const { openEnrolment, openFreshIdentity } = await import('@pulsemesh/node/relay');
  const { startEnrolledLearner } = await import('@pulsemesh/node/learning');
  const board = readPolicy(flags);
  const place = placeOf({ ...flags, data: learnerDirectory(flags) });
  const data = dirname(place.options.file);
  const identity = await openFreshIdentity(place.options, place.deps);
  const enrolment = await openEnrolment(data, identity, deps);
  return startEnrolledLearner({ dataDirectory: data, network: networkOf(flags), enrolment, board }, identity, deps);
}

/** What a site brings. */
export interface SiteFlags {
  readonly recordings?: string;
  readonly csv?: string;
  readonly query?: string;
  readonly consents: string;
  readonly epsilonMax?: number;
  readonly roundsMax: number;
  readonly patientsMin: number;
  readonly models?: readonly string[];
  readonly tolerance: number;
}

/** Adds them to a command. */
export function withSiteFlags(command: Command): Command {
  return command
    .option('--recordings <folder>', 'labelled heart recordings of this site: rr.csv.gz or WFDB')
    .option(
      '--csv <folder>',
      'or any table of this site: *.csv with a column `patient`; says with --query what is in it',
    )
    .option(
      '--query <file>',
      'what the columns mean, as JSON; the same file at every site (docs/operations/learning.md)',
    )
    .requiredOption('--consents <file>', 'who consented to what, as JSON; read anew before every round')
    .option(
      '--epsilon-max <number>',
      'privacy budget over all tasks of one purpose (default: none, which tasks without noise need)',
      parseAmount,
    )
    .option('--rounds-max <number>', 'of one task', parseCount, 100)
    .option('--patients-min <number>', 'with fewer this site sits a round out', parseCount, 3)
    .option('--models <folder...>', 'models folders of its prediction nodes: a model that is no worse goes there')
    .option('--tolerance <auc>', 'how much worse it may be, as area under the curve', parseAmount, 0.01);
}

/** A number of at least 0. */
export function parseAmount(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && Number.isFinite(value)))
    throw new InvalidArgumentError('Wanted: a number from 0.');
  return value;
}

/** The site of the flags. @throws {UsageError}; a ZodError where one makes no sense. */
export async function openSiteOf(
  flags: SiteFlags,
  learner: Learner,
  deps: ReturnType<typeof agentDependencies>,
): Promise<Site> {
  const { openSite, siteSettingsSchema } = await import('@pulsemesh/node/learning');
  const settings = siteSettingsSchema.parse({
    records: await recordsOf(flags),
    consentsFile: resolve(flags.consents),
    epsilonMax: flags.epsilonMax ?? null,
    roundsMax: flags.roundsMax,
    patientsMin: flags.patientsMin,
    models: (flags.models ?? []).map((folder) => resolve(folder)),
    tolerance: flags.tolerance,
  });
  return openSite(settings, learner, deps);
}

async function recordsOf({ recordings, csv, query }: SiteFlags) {
  if (recordings !== undefined && csv === undefined && query === undefined)
    return { kind: 'folder', directory: resolve(recordings) } as const;
  if (csv !== undefined && query !== undefined && recordings === undefined)
    return { kind: 'csv', directory: resolve(csv), query: await readQuery(query) } as const;
  throw new UsageError('say where the records are: --recordings FOLDER, or --csv FOLDER with --query FILE');
}

/** A query's file. @throws {UsageError} that says what is wrong in it. */
export async function readQuery(file: string) {
  const { dataQuerySchema } = await import('@pulsemesh/node/learning');
  let value: unknown;
  try {
    value = JSON.parse(readBoardFile(file).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${file} is not JSON`);
    throw error;
  }
  const parsed = dataQuerySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UsageError(`${file}: ${issue?.path.map(String).join('.')} ${issue?.message}`);
}
