import { unreachable } from '@pulsemesh/base/errors';
import type { AnyBoardEntry, EntryKind, RoundStep } from '@pulsemesh/board';
import { formatCount, formatPlural, shortId } from '../format.ts';

/** Kinds of entries in the words of the page, in the order of the filter. */
export const kindNames: Readonly<Record<EntryKind, string>> = {
  key: 'Key',
  task: 'Learning task',
  contract: 'Contract',
  round: 'Round',
  model: 'Model',
  evaluation: 'Evaluation',
  anchor: 'Anchor',
  announcement: 'Announcement',
  catalogue: 'Catalogue',
  grant: 'Grant',
};

const grantSteps = {
  purchase: 'A grant is taken up',
  confirm: 'The key of a grant arrived',
  refund: 'A grant ends: its key did not come',
  revoke: 'A patient withdrew a grant',
  access: 'Records were read under a grant',
} as const;

/** What an entry says, in one line. `nameOf` knows what peers call themselves. */
export function entrySentence(entry: AnyBoardEntry, nameOf: (peer: string) => string): string {
  switch (entry.kind) {
    case 'key':
      return keySentence(entry.body, nameOf);
    case 'task':
      return `“${entry.body.title}” for ${entry.body.purpose}`;
    case 'contract':
      return entry.body.action === 'sign' ? 'Agrees to take part in a task' : 'Leaves a task';
    case 'round':
      return `Round ${entry.body.round}, attempt ${entry.body.attempt}: ${stepWords(entry.body.step)}`;
    case 'model':
      return `Result of ${formatPlural(entry.body.rounds, 'round', 'rounds')} with ${formatPlural(entry.body.sites, 'site', 'sites')}`;
    case 'evaluation':
      return `Tried on own patients: AUC ${entry.body.auc.toFixed(3)}`;
    case 'anchor':
      return `Seals ${formatPlural(entry.body.count, 'entry', 'entries')} of a log of ${entry.body.about === 'consent' ? 'consents' : 'accesses'}`;
    case 'announcement':
      return entry.body.title;
    case 'catalogue':
      return `“${entry.body.organisation}” offers ${formatPlural(entry.body.cohorts.length, 'cohort', 'cohorts')}`;
    case 'grant':
      return grantSteps[entry.body.step];
    default:
      return unreachable(entry);
  }
}

function keySentence(body: Extract<AnyBoardEntry, { kind: 'key' }>['body'], nameOf: (peer: string) => string): string {
  switch (body.action) {
    case 'enrol':
      return `“${body.name}” shows its key`;
    case 'rotate':
      return `“${body.name}” renews its contact card`;
    case 'revoke':
      return `Key of ${nameOf(body.subject)} is revoked`;
    default:
      return unreachable(body.action);
  }
}

function stepWords(step: RoundStep): string {
  switch (step.name) {
    case 'opened':
      return `${formatPlural(step.sites.length, 'site is', 'sites are')} asked`;
    case 'keys':
      return `round keys of ${formatPlural(step.sites.length, 'site', 'sites')}`;
    case 'survivors':
      return `masked numbers of ${formatPlural(step.survivors.length, 'site', 'sites')}`;
    case 'closed':
      return step.outcome === 'summed'
        ? `summed over ${formatPlural(step.sites ?? 0, 'site', 'sites')}`
        : `failed${step.reason === undefined ? '' : ` (${step.reason})`}`;
    default:
      return unreachable(step);
  }
}

/** Why a receipt is not believed, in words for whoever was given it. */
export function refusalWords(reason: string): string {
  const known: Readonly<Record<string, string>> = {
    'other-board': 'It is of another board than the one this page follows.',
    'board-unsigned': 'The board’s signature is missing.',
    unsigned: 'Neither the board nor any of its witnesses signed it.',
    'signature-wrong': 'A signature in it is wrong: it was changed after signing, or forged.',
    quorum: 'Too few witnesses countersigned it.',
    'not-included': 'The entry is not at that place of the log that was signed.',
    'board-malformed': 'It is no receipt: c2sp.org/tlog-proof is what a receipt begins with.',
  };
  return known[reason] ?? `It cannot be read as a receipt (${reason.slice(0, 80)}).`;
}

/** A peer as people know it. */
export function peerWords(peer: string, name: string | null): string {
  return name === null ? `key ${shortId(peer)}` : `${name} (${shortId(peer)})`;
}

/** "12,345 bytes" */
export function bytesWords(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'byte' : 'bytes'}`;
}
