import type { AnyBoardEntry } from '@pulsemesh/board';
import {
  accountant,
  type TaskView,
  type VerifyMeans,
  verdictText,
  verifyRun,
  viewOfLearning,
} from '@pulsemesh/learning';
import { writeFileAtomically } from '@pulsemesh/node/relay';
import { contentId } from '@pulsemesh/wire';
import type { Command } from 'commander';
import { exitCodes, type Output, table, UsageError } from '../../output.ts';
import { allEntries, type BoardFlags, boardDependencies, withBoard, withBoardFlags } from '../board/board-flags.ts';
import { learnerDirectory } from './learn-flags.ts';
import { resultLines, resultOf, type TaskResult } from './result.ts';

interface StatusFlags extends BoardFlags {
  readonly data?: string;
  readonly out?: string;
}

/** `learn status`. */
export function addStatus(learn: Command, output: Output): void {
  withBoardFlags(learn.command('status'))
    .summary('the tasks on the board, or one of them: who signed, rounds as they go, what came out')
    .description(
      'What a survey found is shown to those who took part: it is sent to them, and only its hash is on the board.',
    )
    .argument('[task]', 'the beginning of its id')
    .option('--out <file>', 'write what came out as JSON: answers of a survey, or weights')
    .option(
      '--data <directory>',
      'where the files of the party lie that took part (default: that of `pulsemesh enrol`)',
    )
    .action(async (name: string | undefined, flags: StatusFlags) => {
      await withBoard(flags, output, async (client) => {
        const nowMs = boardDependencies().clock.now();
        const entries = allEntries(client);
        const views = viewOfLearning(entries, { nowMs, verify: { accountant, hashOf: contentId } });
        if (name === undefined) {
          if (flags.out !== undefined) throw new UsageError('say of which task');
          if (flags.json) output.out(JSON.stringify(views, replaceBytes, 2));
          else for (const line of listLines(views)) output.out(line);
          return;
        }
        const view = taskNamed(views, name);
        const result = await ownResult(view, entries, flags);
        if (flags.out !== undefined) writeResult(flags.out, result);
        if (flags.json) output.out(JSON.stringify([{ ...view, result }], replaceBytes, 2));
        else for (const line of taskLines(view, result)) output.out(line);
      });
    });
}

/** What came out, where this party has it; null: it has nothing, or not what the board says. */
async function ownResult(view: TaskView, entries: readonly AnyBoardEntry[], flags: StatusFlags) {
  const { keptResult } = await import('@pulsemesh/node/learning');
  const model = entries.find(({ kind, body }) => kind === 'model' && body.task === view.id);
  const published = model?.kind === 'model' ? model.body.weights : undefined;
  const kept = (await keptResult(learnerDirectory(flags), view.id)) ?? published ?? null;
  return kept === null ? null : resultOf(view, entries, kept);
}

function writeResult(file: string, result: TaskResult | null): void {
  if (result === null) throw new UsageError('nothing came out yet, or this party has it not: it took no part');
  writeFileAtomically(file, `${JSON.stringify(result, null, 2)}\n`);
}

/** `learn verify`. */
export function addVerify(learn: Command, output: Output, setExitCode: (code: number) => void): void {
  withBoardFlags(learn.command('verify'))
    .summary('re-check a run from the board and the public keys alone; exit code 1 where something is wrong')
    .argument('<task>', 'the beginning of its id')
    .action(async (name: string, flags: BoardFlags) => {
      await withBoard(flags, output, async (client) => {
        const entries = allEntries(client);
        const { id, task } = taskNamed(viewOfLearning(entries, { nowMs: 0 }), name);
        const verdict = verifyRun(entries, id, await meansFor(task));
        output.out(flags.json ? JSON.stringify(verdict, null, 2) : verdictText(verdict));
        if (!verdict.isSound) setExitCode(exitCodes.failed);
      });
    });
}

/** All that this program can check a run with. */
async function meansFor(task: TaskView['task']): Promise<VerifyMeans> {
  const { combineOfTask, UnknownModelError } = await import('@pulsemesh/node/learning');
  try {
    return { accountant, hashOf: contentId, firstInput: contentId(combineOfTask(task).firstInput(task)) };
  } catch (error) {
    if (error instanceof UnknownModelError) return { accountant, hashOf: contentId };
    throw error;
  }
}

/** The task whose id begins so. @throws {UsageError} */
export function taskNamed(views: readonly TaskView[], name: string): TaskView {
  const [found, another] = views.filter(({ id }) => /^[0-9a-f]{4,64}$/.test(name) && id.startsWith(name));
  if (found === undefined) throw new UsageError('the board has no such task; `pulsemesh learn status` shows them');
  if (another !== undefined) throw new UsageError('several tasks begin so: give more digits');
  return found;
}

function listLines(views: readonly TaskView[]): readonly string[] {
  if (views.length === 0) return ['No task is on the board yet: `pulsemesh learn publish` puts one there.'];
  const rows = views.map(({ id, state, task, sites, roundsDone, isSound }) => [
    id.slice(0, 16),
    state,
    `${roundsDone} of ${task.rounds}`,
    `${sites.filter(({ state: site }) => site === 'signed').length} of ${task.sitesMin}`,
    isSound ? 'sound' : 'NOT SOUND',
    task.title,
  ]);
  return table([['task', 'state', 'rounds', 'sites', 'checked', 'title'], ...rows]);
}

function taskLines(view: TaskView, result: TaskResult | null): readonly string[] {
  const { id, task, state, attempts, sites, model, evaluations, findings } = view;
  const names = new Map(sites.map(({ site, name }) => [site, name ?? site]));
  return [
    `${task.title}`,
    `task         ${id}`,
    `published    ${new Date(view.publishedMs).toISOString()} by ${view.author}`,
    `state        ${state}, ${view.roundsDone} of ${task.rounds} rounds`,
    `purpose      ${task.purpose}: only records of patients whose consent names it`,
    `sums         ${task.aggregator ?? 'the sites among themselves'}`,
    `noise        ${privacyText(task)}`,
    `until        ${new Date(task.deadlineMs).toISOString()}`,
    '',
    ...table([
      ['site', 'state', 'rounds', 'patients', 'budget spent', 'left'],
      ...sites.map(({ site, name, state: own, rounds, data, epsilonSpent, epsilonLeft }) => [
        name ?? site,
        own,
        String(rounds),
        data == null ? '–' : `${data.patients}+`,
        epsilon(epsilonSpent),
        epsilon(epsilonLeft),
      ]),
    ]),
    '',
    ...table([
      ['round', 'state', 'asked', 'answered', 'took', 'clipped', 'absent'],
      ...attempts.map(({ round, attempt, state: at, asked, answered, durationsMs, clipped, absent, reason }) => [
        `${round}.${attempt}`,
        reason === null ? at : `${at} (${reason})`,
        String(asked.length),
        answered === null ? '–' : String(answered.length),
        durationsMs.length === 0 ? '–' : `${(durationsMs.reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(1)} s`,
        clipped === null ? '–' : String(clipped),
        absent.map((site) => names.get(site) ?? site).join(', '),
      ]),
    ]),
    ...(model === null ? [] : ['', `model        ${model.hash}, ${model.bytes} bytes, ${model.sites} sites`]),
    ...evaluations.map(
      ({ name, site, auc, runningAuc }) =>
        `  ${name ?? site}: area under the curve ${auc.toFixed(4)}, the model it runs ${runningAuc?.toFixed(4) ?? '–'}`,
    ),
    ...(result === null ? [] : resultLines(result)),
    ...(findings.length === 0 ? [] : ['', ...findings.map(({ text }) => `FOUND        ${text}`)]),
    '',
    'Screening research, not diagnosis.',
  ];
}

function privacyText({ privacy }: TaskView['task']): string {
  if (privacy === null) return 'none: what comes out is exact, and nothing bounds what it tells of one patient';
  const { epsilonMax, delta, unit, noiseMultiplier } = privacy;
  return `ε at most ${epsilonMax} per ${unit} at δ = ${delta}, multiplier ${noiseMultiplier}`;
}

function epsilon(value: number | null): string {
  return value === null ? '–' : `ε ${value.toFixed(2)}`;
}

function replaceBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}
