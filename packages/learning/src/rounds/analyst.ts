import type { TaskBody } from '@pulsemesh/board';
import { contentId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';
import { isStep } from './checks.ts';
import { roundLimits } from './limits.ts';
import { patienceMs } from './settings.ts';

/** How a study ended for whoever asked for it. */
export interface AnalystEnd {
  /** `over`: its deadline went by without a result. */
  readonly kind: 'finished' | 'over';
  /** The task's entry. */
  readonly taskId: string;
  /** Of what the last round gave, as the board has it; null without a result. */
  readonly output: string | null;
  /** Sites in the last sum, and what it cost each; null without a result, or without noise. */
  readonly sites: number | null;
  readonly epsilon: number | null;
  /** Weights of the model, where the board has them; their hash is the output's. */
  readonly weights: Uint8Array | null;
}

/**
 * Whoever asks for a study: puts the task on the board and waits for what comes of it. Sees what everybody sees, the board, and sends
 * nothing to anybody. A survey's answers go to the sites and the aggregator; an analyst who is to read them is one of these.
 */
export async function runAnalyst(party: Party, { task }: { readonly task: TaskBody }): Promise<AnalystEnd> {
  const { id: taskId } = await party.board.publish('task', task);
  const closed = await party.board.await(
    'round',
    ({ author, body }) =>
      body.task === taskId &&
      (task.aggregator === null || author === task.aggregator) &&
      body.round === task.rounds &&
      body.step.name === 'closed' &&
      body.step.outcome === 'summed',
    Math.max(0, task.deadlineMs - (await party.now())) + patienceMs(task, roundLimits),
  );
  if (closed === null || !isStep(closed, 'closed'))
    return { kind: 'over', taskId, output: null, sites: null, epsilon: null, weights: null };
  const { output = null, sites = null, epsilon = null } = closed.body.step;
  return { kind: 'finished', taskId, output, sites, epsilon, weights: await weightsOf(party, task, taskId, output) };
}

async function weightsOf(party: Party, task: TaskBody, taskId: string, output: string | null) {
  if (task.work.kind !== 'training') return null;
  const model = await party.board.await(
    'model',
    ({ body }) => body.task === taskId && body.hash === output,
    patienceMs(task, roundLimits),
  );
  const weights = model?.body.weights ?? null;
  return weights !== null && contentId(weights) === output ? weights : null;
}
