import type { TaskBody } from '@pulsemesh/board';
import { type AggregatorEnd, runAggregator } from '../rounds/aggregator.ts';
import { type OwnerEnd, runOwner } from '../rounds/owner.ts';
import type { Company } from '../rounds/site.ts';
import type { Accountant, PrivacyBook } from '../rounds/work.ts';
import { type Lies, lyingParty } from './lying-party.ts';
import { plainCombine, plainEnrolment, plainJoin, plainSumTask, plainWork } from './plain-sum.ts';
import type { PartyWorld } from './world.ts';

const minuteMs = 60_000;

/** A run of the plain sum that has begun in a world: `site 1` … and `aggregator`. */
export interface PlainRun {
  readonly taskId: string;
  readonly owners: readonly Promise<OwnerEnd>[];
  readonly aggregator: Promise<AggregatorEnd>;
  /** All of them, to their ends. */
  readonly all: Promise<{ readonly owners: readonly OwnerEnd[]; readonly aggregator: AggregatorEnd }>;
}

/** Publishes the task and starts everybody. */
export async function startPlainRun(
  world: PartyWorld,
  options: {
    readonly sites: number;
    readonly sitesMin?: number;
    readonly rounds?: number;
    readonly task?: Partial<TaskBody>;
    readonly joinMs?: number;
    /** Told by the aggregator. */
    readonly lies?: (world: PartyWorld) => Lies;
    readonly accountant?: Accountant;
    /** Each site's own. */
    readonly book?: () => PrivacyBook;
    readonly company?: Company;
    /** Each site's limit; default none. */
    readonly epsilonMax?: (site: number) => number | null;
  },
): Promise<PlainRun> {
  const { sites, sitesMin = 3, rounds = 1, joinMs = minuteMs } = options;
  const deadlineMs = world.clock.now() + 20 * minuteMs;
  const base = { aggregator: world.agent('aggregator').peer, sitesMin, sitesMax: sites, rounds, deadlineMs };
  const task = { ...plainSumTask(base), ...options.task };
  const analyst = world.agent('analyst').signer;
  const { id: taskId } = await world.until(world.board.publish('task', task, analyst), minuteMs);
  const numbers = Array.from({ length: sites }, (_, index) => index + 1);
  const owners = numbers.map((site) => {
    const agent = world.agent(`site ${site}`);
    const company = options.company === undefined ? {} : { company: options.company };
    const dependencies = { author: agent.signer, work: plainWork(site), book: options.book?.() ?? null, ...company };
    return agent.run(taskId, (party) =>
      runOwner(
        party,
        { taskId, ...plainJoin(site, { epsilonMax: options.epsilonMax?.(site) ?? undefined }) },
        dependencies,
      ),
    );
  });
  const enrolment = plainEnrolment('aggregator');
  const aggregator = world
    .agent('aggregator')
    .run(taskId, (party) =>
      runAggregator(
        options.lies === undefined ? party : lyingParty(party, options.lies(world)),
        { taskId, joinMs, enrolment },
        { combine: plainCombine, accountant: options.accountant ?? null },
      ),
    );
  const all = Promise.all([Promise.all(owners), aggregator]).then(([ends, end]) => ({ owners: ends, aggregator: end }));
  return { taskId, owners, aggregator, all };
}
