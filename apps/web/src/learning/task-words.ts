import { unreachable } from '@pulsemesh/base/errors';
import type { PrivacyTerms, SumTerms, SurveyQuestion, TaskBody } from '@pulsemesh/board';
import type { AttemptView, TaskState } from '@pulsemesh/learning/view';
import { formatCount, formatDuration, formatPlural } from '../format.ts';

/** A task's terms in plain words. */

export const stateWords: Readonly<Record<TaskState, string>> = {
  waiting: 'waiting for sites',
  ready: 'ready to start',
  running: 'running',
  finished: 'finished',
  failed: 'failed',
  expired: 'deadline over',
};

export const attemptWords: Readonly<Record<AttemptView['state'], string>> = {
  opened: 'waiting for round keys',
  keys: 'waiting for masked numbers',
  survivors: 'being opened',
  summed: 'summed',
  failed: 'failed',
};

/** What is learned. */
export function workWords({ work }: TaskBody): string {
  if (work.kind === 'survey') {
    const questions = formatPlural(work.questions.length, 'question', 'questions');
    return `A survey of ${questions}: ${work.questions.map(questionWords).join('; ')}.`;
  }
  const { family, parameters } = work.model;
  const model = family === 'rhythm' ? 'the network that scores heart rhythms' : `a ${family} model`;
  const passes = formatPlural(work.localEpochs, 'pass', 'passes');
  return `Trains ${model} (${formatCount(parameters)} numbers): in each round every site makes ${passes} over its own records and sends how the numbers change, ${
    work.algorithm === 'fedprox' ? 'held near the common model (FedProx)' : 'which are averaged (FedAvg)'
  }.`;
}

function questionWords({ name, statistic, column, low, high }: SurveyQuestion): string {
  return `${name} (${statistic} of ${column}, ${low} to ${high})`;
}

/** What is hidden, and how. */
export function sumWords({ sum, aggregator }: TaskBody): string {
  const who =
    aggregator === null
      ? 'The sites share and add up among themselves; nobody is in the middle.'
      : 'One party adds up what the sites send. It sees sums, never what a single site sent.';
  return `${who} ${maskWords(sum)} Values beyond ±${formatCount(sum.range)} are clipped.`;
}

function maskWords({ neighbours, threshold }: SumTerms): string {
  const others = neighbours === 'all' ? 'all others' : `${formatCount(neighbours)} others`;
  return `Each site masks its numbers against ${others}; a round is opened when at least ${formatCount(threshold)} of them answer.`;
}

/** What may be found out about one site or patient. */
export function privacyWords(privacy: PrivacyTerms | null): string {
  if (privacy === null) {
    return 'No noise is added: sums are exact. A model can still give away something of the records it was trained on; a task with a privacy budget bounds that.';
  }
  const { epsilonMax, delta, unit, noiseMultiplier } = privacy;
  return `Noise hides whether any one ${unit} took part: at most ε = ${epsilonMax} over the whole task (δ = ${delta}), with noise of ${noiseMultiplier} times what one ${unit} can add. A site stops by itself when its budget is spent.`;
}

/** Who may take part. */
export function invitationWords({ invited, sitesMin, sitesMax }: TaskBody): string {
  const who =
    invited.length === 0
      ? 'Whoever has a key on the board'
      : `${formatPlural(invited.length, 'invited site', 'invited sites')} and nobody else`;
  return `${who}; at least ${formatCount(sitesMin)} and at most ${formatCount(sitesMax)} in a round.`;
}

/** How long it goes. */
export function roundsWords({ rounds, stepMs }: TaskBody): string {
  return `${formatPlural(rounds, 'round', 'rounds')}; each step of a round waits ${formatDuration(stepMs)} for those who are late.`;
}

/** A difference between two areas under the curve, for people. */
export function comparisonWords(auc: number, runningAuc: number | null): string {
  if (runningAuc === null) return 'no other model runs there';
  const difference = auc - runningAuc;
  if (Math.abs(difference) < 0.0005) return 'as good as the running one';
  return `${Math.abs(difference).toFixed(3)} ${difference > 0 ? 'better' : 'worse'} than the running one`;
}

/** Names of the steps that durations are of, in order. */
export function stepName(index: number): string {
  return ['keys', 'shares', 'masked numbers', 'opening'][index] ?? `step ${index + 1}`;
}

/** Why an attempt ended without a sum. */
export function reasonWords(reason: string | null): string {
  return reason === null ? 'no reason was given' : reason.replaceAll('-', ' ');
}

/** Whether a task can still change. */
export function isOpen(state: TaskState): boolean {
  switch (state) {
    case 'waiting':
    case 'ready':
    case 'running':
      return true;
    case 'finished':
    case 'failed':
    case 'expired':
      return false;
    default:
      return unreachable(state);
  }
}
