import type { PeerId } from '@pulsemesh/wire';
import type { EntryOfParty, Party } from '../party/party.ts';
import {
  type AdditiveSettings,
  additiveShareStep,
  createAdditiveSite,
  maskedHashOf,
  type PartialSum,
  partialSumStep,
} from '../secure-sum/index.ts';
import { isStep, type RoundEntry } from './checks.ts';
import { formerLife, isOfAttempt, type SumPart } from './sum-owner.ts';

/** What became of an attempt that sites made among themselves, at one of them. */
export type AloneResult = Exclude<SumPart, { readonly kind: 'revealed' }> | Summed;

interface Summed {
  readonly kind: 'summed';
  /** Modulo 2^32, of all sites' vectors. */
  readonly words: Uint32Array;
}

/**
 * A secure sum without anybody who sums: each site deals one share of its vector to each other, adds up what it was dealt, commits the hash
 * of that to the board, and once all hashes stand there shows it to all. With one site absent there is no sum.
 */
export async function secureSumAlone(
  party: Party,
  options: {
    readonly settings: AdditiveSettings;
    /** Who opened the attempt, and closes it. */
    readonly opener: PeerId;
    readonly vector: Uint32Array;
    readonly patienceMs: number;
  },
  dependencies: { readonly mayReveal: (sites: readonly PeerId[]) => Promise<boolean> },
): Promise<AloneResult> {
  const { settings, opener, vector, patienceMs: withinMs } = options;
  const { task, round, attempt, sites } = settings;
  const others = sites.filter((site) => site !== party.self);
  const self = createAdditiveSite({ ...settings, self: party.self }, { random: party.random('sum') });

  const former = await formerLife(party, (one) => isOfAttempt(one, settings, party.self) && isStep(one, 'survivors'));
  if (former !== null) return former;
  for (const [to, share] of self.shares) await party.send(additiveShareStep, to, share);
  const dealt = await party.gather(additiveShareStep, { from: others, withinMs });
  if (dealt.absent.length > 0) return { kind: 'lost', at: 'shares' };
  for (const [from, share] of dealt.messages) self.takeShare(from, share);
  const partial = self.partialSum(vector);
  if (partial.kind === 'refused') return { kind: 'stopped', why: partial.why, entries: [] };

  if (!(await dependencies.mayReveal(sites))) return { kind: 'stopped', why: 'not-allowed', entries: [] };
  const maskedHash = maskedHashOf(partial.value.words);
  const survivors = [{ site: party.self, maskedHash }];
  await party.board.publish('round', { task, round, attempt, step: { name: 'survivors', survivors } });
  const committed = await commitments(party, settings, opener, withinMs);
  if ('kind' in committed) return committed;

  for (const to of others) await party.send(partialSumStep, to, partial.value);
  const shown = await party.gather(partialSumStep, { from: others, withinMs });
  for (const [from, message] of shown.messages) {
    const fault = partialFault(from, message, committed);
    if (fault !== null) return fault;
    self.takePartialSum(from, message);
  }
  const words = self.sum();
  return words === null ? { kind: 'lost', at: 'partials' } : { kind: 'summed', words };
}

/**
 * Every site's commitment, exactly one of each, all of them before the opener closed the attempt: the next one may be open since then, and
 * whoever gets the sums of both, over sites that differ by one, has that one's vector.
 */
async function commitments(
  party: Party,
  settings: AdditiveSettings,
  opener: PeerId,
  withinMs: number,
): Promise<ReadonlyMap<PeerId, RoundEntry<'survivors'>> | Exclude<AloneResult, Summed>> {
  const isEnd = (one: EntryOfParty<'round'>) => isOfAttempt(one, settings, opener) && isStep(one, 'closed');
  for (const site of settings.sites) {
    const entry = await party.board.await(
      'round',
      (one) => (isOfAttempt(one, settings, site) && isStep(one, 'survivors')) || isEnd(one),
      withinMs,
    );
    if (entry === null || isEnd(entry)) return { kind: 'lost', at: 'survivors' };
  }
  const found = new Map<PeerId, RoundEntry<'survivors'>>();
  const all = await party.board.list('round', (one) => settings.sites.some((site) => isOfAttempt(one, settings, site)));
  for (const one of all) {
    if (!isStep(one, 'survivors')) continue;
    const before = found.get(one.author);
    if (before !== undefined && JSON.stringify(before.body.step) !== JSON.stringify(one.body.step))
      return { kind: 'stopped', why: 'two-survivor-sets', entries: [before.id, one.id] };
    found.set(one.author, before ?? one);
  }
  return found;
}

function partialFault(
  from: PeerId,
  message: PartialSum,
  committed: ReadonlyMap<PeerId, RoundEntry<'survivors'>>,
): Exclude<AloneResult, Summed> | null {
  const entry = committed.get(from);
  const [said] = entry?.body.step.survivors ?? [];
  const isSame = said?.site === from && said.maskedHash === maskedHashOf(message.words);
  return isSame ? null : { kind: 'stopped', why: 'forged', entries: entry === undefined ? [] : [entry.id] };
}
