import { type Finding, findingOf } from './finding.ts';
import type { RunRecord } from './run-record.ts';
import type { VerifyMeans } from './verify-run.ts';

/** What is wrong with a task's terms and with what sites signed. */
export function contractFindings(record: RunRecord, { accountant }: VerifyMeans): Finding[] {
  const { task, entry, contracts } = record;
  const findings: Finding[] = [];
  if (task.privacy !== null && accountant !== undefined) {
    const cost = accountant.epsilonAfter(task.privacy, task.rounds, task.sitesMin);
    if (!(cost <= task.privacy.epsilonMax))
      findings.push(findingOf('terms-over-budget', { who: entry.author, entries: [entry] }));
  }
  for (const contract of contracts) {
    const { action, data } = contract.body;
    if (action !== 'sign') continue;
    const isSame = data?.query === task.query.name && data.queryVersion === task.query.version;
    if (!isSame) findings.push(findingOf('contract-query', { who: contract.author, entries: [entry, contract] }));
  }
  return findings;
}
