import { outputOf } from '../rounds/checks.ts';
import { type Finding, findingOf } from './finding.ts';
import type { RunRecord } from './run-record.ts';
import type { VerifyMeans } from './verify-run.ts';

/** What is wrong with what is said to have come out of a run. */
export function modelFindings(record: RunRecord, { hashOf }: VerifyMeans): Finding[] {
  const { task, models, evaluations, attempts } = record;
  const findings: Finding[] = [];
  const last = attempts.filter(({ round }) => round === task.rounds).flatMap(({ closed }) => closed);
  const ending = last.find(({ body }) => body.step.outcome === 'summed');
  for (const model of models) {
    const note = (kind: Finding['kind'], entries: readonly { readonly id: string }[]) =>
      findings.push(findingOf(kind, { who: model.author, entries }));
    const output = outputOf(record, task.rounds, model.index);
    if (ending === undefined || output === null) {
      note('model-without-run', [model]);
      continue;
    }
    if (output !== model.body.hash) note('model-not-of-run', [ending, model]);
    const { weights, rounds, sites, epsilon } = model.body;
    if (weights !== undefined && hashOf !== undefined && hashOf(weights) !== model.body.hash)
      note('model-weights', [model]);
    const { sites: summed, epsilon: spent = null } = ending.body.step;
    if (rounds !== task.rounds || sites !== summed || epsilon !== spent) note('model-misstated', [ending, model]);
  }
  const byAuthor = Map.groupBy(models, ({ author }) => author);
  for (const [who, said] of byAuthor) {
    if (said.length > 1) findings.push(findingOf('two-models', { who, entries: said }));
  }
  const hashes = new Set(models.map(({ body }) => body.hash));
  for (const evaluation of evaluations) {
    if (!hashes.has(evaluation.body.model))
      findings.push(findingOf('evaluation-of-nothing', { who: evaluation.author, entries: [evaluation] }));
  }
  return findings;
}
