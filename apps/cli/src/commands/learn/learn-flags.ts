import { dirname, join, resolve } from 'node:path';
import { dataDirectory } from '@pulsemesh/node';
import type { Learner, Site } from '@pulsemesh/node/learning';
import type { Command } from 'commander';
import { parseCount } from '../../parse.ts';
import { type agentDependencies, networkOf } from '../agent-flags.ts';
import { type BoardFlags, readPolicy, withBoardFlags } from '../board/board-flags.ts';
import { type PlaceFlags, placeOf, withPlaceFlags } from '../identity/place.ts';

/** Who takes part, and through what. */
export interface LearnerFlags extends BoardFlags, PlaceFlags {}

/** Adds them to a command. */
export function withLearnerFlags(command: Command): Command {
  return withPlaceFlags(withBoardFlags(command), { json: false });
}

/**
 * Starts the party that enrolled in the data directory of the flags.
 * @throws {NoTokenError} where none did; {UsageError} where no board is known; what starting throws.
 */
export async function openLearner(flags: LearnerFlags, deps: ReturnType<typeof agentDependencies>): Promise<Learner> {
  const { openEnrolment, openFreshIdentity } = await import('@pulsemesh/node/relay');
  const { startEnrolledLearner } = await import('@pulsemesh/node/learning');
  const board = readPolicy(flags);
  const place = placeOf({ ...flags, data: flags.data ?? join(dataDirectory(), 'agent') });
  const data = dirname(place.options.file);
  const identity = await openFreshIdentity(place.options, place.deps);
  const enrolment = await openEnrolment(data, identity, deps);
  return startEnrolledLearner({ dataDirectory: data, network: networkOf(flags), enrolment, board }, identity, deps);
}

/** What a site brings. */
export interface SiteFlags {
  readonly recordings: string;
  readonly consents: string;
  readonly epsilonMax?: number;
  readonly roundsMax: number;
  readonly patientsMin: number;
  readonly models: readonly string[];
  readonly tolerance: number;
}

/** Adds them to a command. */
export function withSiteFlags(command: Command): Command {
  return command
    .requiredOption('--recordings <folder>', 'the site’s labelled recordings: rr.csv.gz or WFDB')
    .requiredOption(
      '--consents <file>',
      'its register of consents, JSON: [{"id", "patient", "purposes", "from", "until", "withdrawn"?}]',
    )
    .option(
      '--epsilon-max <number>',
      'budget over all tasks of one purpose (default: none, which tasks without noise need)',
      parseAmount,
    )
    .option('--rounds-max <number>', 'of one task', parseCount, 100)
    .option('--patients-min <number>', 'with fewer the site sits a round out', parseCount, 3)
    .option('--models <folder...>', 'models folders of its prediction nodes: a model that is no worse goes there', [])
    .option('--tolerance <auc>', 'how much worse it may be, as area under the curve', parseAmount, 0.01);
}

function parseAmount(text: string): number {
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : Number.NaN;
}

/** The site of the flags. @throws a ZodError where one makes no sense. */
export async function openSiteOf(
  flags: SiteFlags,
  learner: Learner,
  deps: ReturnType<typeof agentDependencies>,
): Promise<Site> {
  const { openSite, siteSettingsSchema } = await import('@pulsemesh/node/learning');
  const settings = siteSettingsSchema.parse({
    records: { kind: 'folder', directory: resolve(flags.recordings) },
    consentsFile: resolve(flags.consents),
    epsilonMax: flags.epsilonMax ?? null,
    roundsMax: flags.roundsMax,
    patientsMin: flags.patientsMin,
    models: flags.models.map((folder) => resolve(folder)),
    tolerance: flags.tolerance,
  });
  return openSite(settings, learner, deps);
}
