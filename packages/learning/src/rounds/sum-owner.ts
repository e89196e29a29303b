import type { Author } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import type { EntryOfParty, Party } from '../party/party.ts';
import {
  advertiseStep,
  createSummingOwner,
  deliveryStep,
  keysStep,
  maskedStep,
  revealStep,
  type SumRefusal,
  type SumSettings,
  sharesStep,
} from '../secure-sum/index.ts';
import { isStep, type RoundEntry } from './checks.ts';

/** What became of a site's part in one attempt. */
export type SumPart =
  /** Its shares went out: the sum may be opened. */
  | { readonly kind: 'revealed' }
  /** Nothing more came in time, or the attempt was closed: what this site sent stays masked. */
  | { readonly kind: 'lost'; readonly at: 'keys' | 'delivery' | 'survivors' | 'shares' | 'partials' }
  /** Somebody showed this site what it does not go along with: it sent nothing more. */
  | { readonly kind: 'stopped'; readonly why: SumStop; readonly entries: readonly string[] };

/** Why a site stopped. */
export type SumStop =
  | SumRefusal
  /** The list of keys is not the one on the board: others may have been shown other keys. */
  | 'keys-differ'
  /** Two survivor sets, or two lists of keys, for one attempt: each would have been unmasked for another. */
  | 'two-survivor-sets'
  | 'two-key-lists'
  /** The board has more of this site's part than its journal: an older copy of it was put back, whose masks were used already. */
  | 'restored'
  /** The site's own rule forbids to reveal: left the task, no budget, not enough of its company. */
  | 'not-allowed';

export interface SumOwnerOptions {
  readonly settings: SumSettings;
  readonly aggregator: PeerId;
  /** What this site brings, encoded. */
  readonly vector: Uint32Array;
  /** For each thing that comes next, milliseconds. */
  readonly patienceMs: number;
}

/**
 * A site's part in a secure sum (Bonawitz et al. 2017, Fig. 4; SecAgg+), with the list of keys and the survivor set committed to the board,
 * and checked there, before anything that depends on them goes out. `mayReveal` is asked last, once.
 */
export async function secureSumOwner(
  party: Party,
  { settings, aggregator, vector, patienceMs }: SumOwnerOptions,
  dependencies: { readonly author: Author; readonly mayReveal: (sites: readonly PeerId[]) => Promise<boolean> },
): Promise<SumPart> {
  const random = party.random('sum');
  const owner = createSummingOwner({ ...settings, self: party.self }, { random, author: dependencies.author });

  const former = await formerLife(party, (one) => {
    const isListed = isStep(one, 'keys') && one.body.step.sites.includes(party.self);
    return isListed && isOfAttempt(one, settings, aggregator);
  });
  if (former !== null) return former;
  await party.send(advertiseStep, aggregator, owner.advertisement);
  const keysEntry = await nextStep(party, settings, aggregator, 'keys', patienceMs);
  const list = keysEntry === null ? null : await party.receive(keysStep, aggregator, patienceMs);
  if (keysEntry === null || list === null) return { kind: 'lost', at: 'keys' };
  const keys = owner.takeKeys(list);
  if (keys.kind === 'refused') return stopped(keys.why, keysEntry);
  const { step: committed } = keysEntry.body;
  const isSame = keys.value.keysHash === committed.keysHash && keys.value.sites.join() === committed.sites.join();
  if (!isSame) return stopped('keys-differ', keysEntry);

  const split = await party.once('split', () => owner.splitSecrets());
  const shares = owner.takeSplit(split);
  if (shares.kind === 'refused') return stopped(shares.why);
  await party.send(sharesStep, aggregator, shares.value);
  const delivery = await party.receive(deliveryStep, aggregator, patienceMs);
  if (delivery === null) return { kind: 'lost', at: 'delivery' };
  const masked = owner.takeShares(delivery, vector);
  if (masked.kind === 'refused') return stopped(masked.why);
  await party.send(maskedStep, aggregator, masked.value);

  const survivorsEntry = await nextStep(party, settings, aggregator, 'survivors', patienceMs);
  if (survivorsEntry === null) return { kind: 'lost', at: 'survivors' };
  const contradiction = await contradictionOf(party, settings, aggregator);
  if (contradiction !== null) return contradiction;
  const { survivors } = survivorsEntry.body.step;
  const alive = survivors.map(({ site }) => site);
  if (!(await dependencies.mayReveal(alive))) return stopped('not-allowed', survivorsEntry);
  const reveal = owner.takeSurvivors(survivors);
  if (reveal.kind === 'refused') return stopped(reveal.why, survivorsEntry);
  await party.send(revealStep, aggregator, reveal.value);
  return { kind: 'revealed' };
}

/**
 * What shows, before anything went out, that something did: an older copy of this journal was put back. Its keys and masks come from the
 * same seed, but what they went over may be another vector now. Null: nothing does, as far as the board answers.
 */
export async function formerLife(
  party: Party,
  isOwn: (entry: EntryOfParty<'round'>) => boolean,
): Promise<Extract<SumPart, { readonly kind: 'stopped' }> | null> {
  const entries = await party.board.list('round', isOwn);
  return entries.length === 0 ? null : { kind: 'stopped', why: 'restored', entries: entries.map(({ id }) => id) };
}

/** True for an entry by the aggregator about this very attempt. */
export function isOfAttempt(
  entry: EntryOfParty<'round'>,
  settings: Pick<SumSettings, 'task' | 'round' | 'attempt'>,
  author: PeerId,
): boolean {
  const { task, round, attempt } = entry.body;
  return entry.author === author && task === settings.task && round === settings.round && attempt === settings.attempt;
}

/** The attempt's entry of this step; null when the attempt was closed before, or nothing came. */
async function nextStep<Name extends 'keys' | 'survivors'>(
  party: Party,
  settings: SumSettings,
  aggregator: PeerId,
  name: Name,
  withinMs: number,
): Promise<RoundEntry<Name> | null> {
  const entry = await party.board.await(
    'round',
    (one) => isOfAttempt(one, settings, aggregator) && (isStep(one, name) || isStep(one, 'closed')),
    withinMs,
  );
  return entry !== null && isStep(entry, name) ? entry : null;
}

/** Two lists of keys, or two survivor sets, on the board: evidence, and the end of this attempt here. */
async function contradictionOf(party: Party, settings: SumSettings, aggregator: PeerId): Promise<SumPart | null> {
  const entries = await party.board.list(
    'round',
    (one) => isOfAttempt(one, settings, aggregator) && (isStep(one, 'keys') || isStep(one, 'survivors')),
  );
  for (const [name, why] of [
    ['keys', 'two-key-lists'],
    ['survivors', 'two-survivor-sets'],
  ] as const) {
    const ofStep = entries.filter((one) => isStep(one, name));
    const said = new Set(ofStep.map(({ body }) => JSON.stringify(body.step)));
    if (said.size > 1) return { kind: 'stopped', why, entries: ofStep.map(({ id }) => id) };
  }
  return null;
}

function stopped(why: SumStop, entry?: { readonly id: string }): SumPart {
  return { kind: 'stopped', why, entries: entry === undefined ? [] : [entry.id] };
}
