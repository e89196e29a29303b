import type { AnyBoardEntry, EntryBodies, RoundStep } from '@pulsemesh/board';
import { createMemoryTables } from '@pulsemesh/store';
import { contentId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { accountant, openPrivacyBook } from '../privacy/index.ts';
import type { OwnerPart } from '../rounds/site.ts';
import type { KeyList } from '../secure-sum/index.ts';
import { type Lies, PartyWorld, startPlainRun } from '../testing/index.ts';
import { verdictText, verifyRun } from './verify-run.ts';

const hourMs = 3_600_000;
const isShown = process.env['PULSEMESH_TABLES'] === 'full';

/** Everything on the board, and what the sites and the aggregator came to. */
async function cheated(lies: (world: PartyWorld) => Lies, options: Partial<Parameters<typeof startPlainRun>[1]> = {}) {
  const world = new PartyWorld({ seed: 3 });
  const run = await startPlainRun(world, { sites: 4, lies, ...options });
  const ends = await world.until(run.all, 3 * hourMs);
  const entries: AnyBoardEntry[] = [];
  world.board.onEntry((entry) => entries.push(entry))[Symbol.dispose]();
  const verdict = verifyRun(entries, run.taskId, { accountant, hashOf: contentId });
  const parts = ends.owners.flatMap(({ attempts }) => attempts.map(({ part }) => part));
  if (isShown) process.stdout.write(`${partsText(parts)}\n${verdictText(verdict)}\n\n`);
  return { world, ends, entries, verdict, parts, kinds: verdict.findings.map(({ kind }) => kind), taskId: run.taskId };
}

function partsText(parts: readonly OwnerPart[]): string {
  return `sites: ${parts.map((part) => `${part.kind}${'why' in part ? ` ${part.why}` : 'fault' in part ? ` ${part.fault}` : ''}`).join(', ')}`;
}

/** Changes what the aggregator says in one step of the first attempt. */
function inStep<Name extends RoundStep['name']>(
  name: Name,
  change: (step: Extract<RoundStep, { readonly name: Name }>) => readonly RoundStep[],
): Lies {
  return {
    publish(kind, body) {
      if (kind !== 'round') return [body];
      const { step, ...place } = body as EntryBodies['round']; // of that kind
      if (step.name !== name || place.attempt > 1) return [body];
      return change(step as Extract<RoundStep, { readonly name: Name }>).map((said) => ({ ...place, step: said }));
    },
  };
}

describe('a cheat', () => {
  it('has nothing to find in an honest run, with drop-outs or without', async () => {
    const { verdict, ends } = await cheated(() => ({}), { rounds: 2 });
    expect(verdict.findings).toEqual([]);
    expect(verdict.isSound).toBe(true);
    expect(verdict.checked).toEqual({ contracts: 4, attempts: 2, rounds: 2, models: 0 });
    expect(ends.aggregator.kind).toBe('finished');
  });

  it('with a changed update: the site sees another hash than its own vector has and reveals nothing', async () => {
    const { parts } = await cheated((world) =>
      inStep('survivors', (step) => [
        {
          ...step,
          survivors: step.survivors.map((one) =>
            one.site === world.agent('site 1').peer ? { ...one, maskedHash: 'f'.repeat(64) } : one,
          ),
        },
      ]),
    );
    expect(parts[0]).toMatchObject({ kind: 'stopped', why: 'without-me' });
    expect(parts[0]).toHaveProperty('entries.length', 1);
  });

  it('with a survivor set without a site that answered: that site notices, the others sum without it', async () => {
    const { parts } = await cheated((world) =>
      inStep('survivors', (step) => [
        { ...step, survivors: step.survivors.filter(({ site }) => site !== world.agent('site 1').peer) },
      ]),
    );
    expect(parts[0]).toMatchObject({ kind: 'stopped', why: 'without-me' });
    expect(parts.slice(1).map(({ kind }) => kind)).toEqual(['revealed', 'revealed', 'revealed']);
  });

  it('with two survivor sets: everybody who sees both stops, and the two entries are the evidence', async () => {
    const { parts, verdict, ends } = await cheated(() =>
      inStep('survivors', (step) => [step, { ...step, survivors: step.survivors.slice(1) }]),
    );
    const second = verdict.findings.find(({ kind }) => kind === 'two-survivor-sets');
    expect(second?.entries).toHaveLength(2);
    expect(second?.who).not.toBeNull();
    expect(parts.map((part) => 'why' in part && part.why)).toEqual(
      Array.from({ length: 4 }, () => 'two-survivor-sets'),
    );
    expect(parts[0]).toMatchObject({ entries: second?.entries });
    expect(ends.aggregator).toMatchObject({ kind: 'failed', reason: 'too-few-revealed' });
  });

  it('with a survivor set that is too small: no site reveals, and the verifier says so', async () => {
    const { parts, kinds } = await cheated(() =>
      inStep('survivors', (step) => [{ ...step, survivors: step.survivors.slice(0, 2) }]),
    );
    expect(parts.every(({ kind }) => kind !== 'revealed')).toBe(true);
    expect(kinds).toContain('too-few-survivors');
  });

  it('with a survivor who never was: no site reveals, and the verifier says so', async () => {
    const { parts, kinds } = await cheated((world) =>
      inStep('survivors', (step) => [
        { ...step, survivors: [...step.survivors, { site: world.agent('stranger').peer, maskedHash: '1'.repeat(64) }] },
      ]),
    );
    expect(parts.every(({ kind }) => kind !== 'revealed')).toBe(true);
    expect(kinds).toContain('stranger-in-survivors');
  });

  it('with a second list of keys for one site: its hash is not the one on the board, and it goes no further', async () => {
    const { parts } = await cheated((world) => ({
      send: (step, to, message) => {
        if (step !== 'keys' || to !== world.agent('site 1').peer) return message;
        const { advertisements } = message as KeyList; // of that step
        return { advertisements: advertisements.slice(0, 3) };
      },
    }));
    expect(parts[0]).toMatchObject({ kind: 'stopped', why: 'keys-differ' });
  });

  it('with two lists of keys on the board: the verifier shows both', async () => {
    const { verdict, parts } = await cheated(() =>
      inStep('keys', (step) => [step, { ...step, keysHash: 'a'.repeat(64) }]),
    );
    expect(verdict.findings.find(({ kind }) => kind === 'two-key-lists')?.entries).toHaveLength(2);
    expect(parts.every((part) => part.kind !== 'revealed')).toBe(true);
  });

  it('with the contract of another: nobody takes part, and the verifier says so', async () => {
    const { parts, kinds } = await cheated(() =>
      inStep('opened', (step) => [{ ...step, contracts: step.contracts.map(() => step.contracts[0] as string) }]),
    );
    expect(parts[0]).toMatchObject({ kind: 'refused', fault: 'no-contract' });
    expect(kinds).toContain('no-contract');
  });

  it('with a site that signed nothing: nobody takes part in that attempt, and the verifier says so', async () => {
    const { parts, kinds } = await cheated((world) =>
      inStep('opened', (step) => [
        { ...step, sites: [...step.sites.slice(1), world.agent('stranger').peer], contracts: step.contracts },
      ]),
    );
    // Three were asked in the first attempt; the second one was honest.
    expect(parts.filter(({ kind }) => kind === 'refused')).toHaveLength(3);
    expect(parts.filter(({ kind }) => kind === 'revealed')).toHaveLength(4);
    expect(kinds.some((kind) => kind === 'key-not-enrolled' || kind === 'no-contract')).toBe(true);
  });

  it('with a round that was summed already: nobody takes part a second time, and the verifier says so', async () => {
    let first: EntryBodies['round'] | undefined;
    const { parts, kinds } = await cheated(() => ({
      publish(kind, body) {
        if (kind !== 'round') return [body];
        const round = body as EntryBodies['round']; // of that kind
        if (round.step.name === 'opened') first = round;
        if (round.step.name !== 'closed' || first === undefined) return [body];
        return [body, { ...first, attempt: 2 }];
      },
    }));
    expect(parts.filter(({ kind }) => kind === 'revealed')).toHaveLength(4);
    expect(kinds).toContain('round-order');
  });

  it('with another input than the round before gave: nobody takes part, and the verifier says so', async () => {
    const { parts, kinds } = await cheated(
      () => ({
        publish(kind, body) {
          const { step, round } = body as EntryBodies['round'];
          if (kind !== 'round' || step.name !== 'opened' || round < 2) return [body];
          return [{ ...body, step: { ...step, input: 'e'.repeat(64) } } as EntryBodies['round']];
        },
      }),
      { rounds: 2 },
    );
    expect(parts.filter(({ kind }) => kind === 'revealed')).toHaveLength(4);
    expect(parts.filter((part) => part.kind === 'refused' && part.fault === 'wrong-input')).toHaveLength(20);
    expect(kinds).toContain('wrong-input');
  });

  const privacy = { epsilonMax: 8, delta: 1e-5, normMax: 1, noiseMultiplier: 0.3, unit: 'site' } as const;
  const book = () => openPrivacyBook({ purposeEpsilonMax: null }, { tables: createMemoryTables() });

  it('with less noise than the budget needs: no site reveals, and the verifier says so', async () => {
    const { parts, kinds } = await cheated(() => ({}), { task: { privacy }, accountant, book });
    expect(parts.every((part) => part.kind === 'stopped' && part.why === 'not-allowed')).toBe(true);
    expect(kinds).toContain('terms-over-budget');
  });

  it('with an understated budget: the verifier counts again', async () => {
    const enough = { ...privacy, noiseMultiplier: 2 };
    const { kinds } = await cheated(() => inStep('closed', (step) => [{ ...step, epsilon: 0.1 }]), {
      task: { privacy: enough },
      accountant,
      book,
    });
    expect(kinds).toEqual(['epsilon-misstated']);
  });

  it('with a site in a sum without noise whose contract has a budget: it takes no part, and a verifier would see if it had', async () => {
    const added = (world: PartyWorld) => {
      const contract = world.board.entries('contract').find(({ author }) => author === world.agent('site 4').peer);
      return { site: world.agent('site 4').peer, contract: contract?.id ?? '' };
    };
    const { parts, entries, ends, world, taskId } = await cheated(
      (world) =>
        inStep('opened', (step) => {
          const { site, contract } = added(world);
          return [{ ...step, sites: [...step.sites, site], contracts: [...step.contracts, contract] }];
        }),
      { epsilonMax: (site) => (site === 4 ? 8 : null), book },
    );
    expect(ends.owners[3]?.attempts.map(({ part }) => part)).toEqual(
      ends.owners[3]?.attempts.map(() => ({ kind: 'sat-out', why: 'budget' })),
    );
    expect(parts.filter((part) => part.kind === 'sat-out')).not.toEqual([]);
    const peer = world.agent('site 4').peer;
    const isIn = entries.some(
      ({ kind, body }) =>
        kind === 'round' && body.step.name === 'survivors' && body.step.survivors.some(({ site }) => site === peer),
    );
    expect(isIn).toBe(false);
    const bounded = entries.map((entry) =>
      entry.kind === 'contract' && entry.body.limits !== undefined
        ? { ...entry, body: { ...entry.body, limits: { ...entry.body.limits, epsilonMax: 8 } } }
        : entry,
    );
    expect(verifyRun(bounded, taskId).findings.map(({ kind }) => kind)).toContain('over-budget');
  });

  it('with neighbours so few that they can be of one hand: nobody sums, and the verifier says so', async () => {
    const sum = { range: 1000, steps: 1, neighbours: 2, threshold: 2 } as const;
    const { ends } = await cheated(() => ({}), { task: { sum } });
    expect(ends.aggregator).toMatchObject({ kind: 'failed', reason: 'settings' });
    const { entries, taskId } = await cheated(() => ({}));
    const sparse = entries.map((entry) => (entry.kind === 'task' ? { ...entry, body: { ...entry.body, sum } } : entry));
    expect(verifyRun(sparse, taskId).findings.map(({ kind }) => kind)).toContain('settings');
  });

  it('with many names of one hand around one site: it takes no part without the company that it knows', async () => {
    const world = new PartyWorld({ seed: 9 });
    const known = new Set([1, 2].map((number) => world.agent(`site ${number}`).peer));
    const run = await startPlainRun(world, { sites: 4, company: { known, least: 2 } });
    const { owners } = await world.until(run.all, 3 * hourMs);
    const parts = owners.map(({ attempts }) => attempts[0]?.part);
    // Sites 1 and 2 know each other alone; the sum of the other two is not made.
    expect(parts.slice(0, 2)).toEqual([1, 2].map(() => ({ kind: 'sat-out', why: 'company' })));
    expect(parts.slice(2).map((part) => part?.kind)).toEqual(['lost', 'lost']);
  });

  it('with a survivor set that leaves a site without its company: it reveals nothing', async () => {
    const world = new PartyWorld({ seed: 9 });
    const [one, two] = [1, 2].map((number) => world.agent(`site ${number}`).peer);
    const lies = () =>
      inStep('survivors', (step) => [{ ...step, survivors: step.survivors.filter(({ site }) => site !== two) }]);
    const known = new Set([one, two].filter((peer) => peer !== undefined));
    const run = await startPlainRun(world, { sites: 4, company: { known, least: 1 }, lies });
    const { owners } = await world.until(run.all, 3 * hourMs);
    expect(owners[0]?.attempts[0]?.part).toMatchObject({ kind: 'stopped', why: 'not-allowed' });
  });

  it('with another model than came out: the verifier says so', async () => {
    const { world, entries, taskId } = await cheated(() => ({}));
    const model = {
      task: taskId,
      hash: 'd'.repeat(64),
      bytes: 4,
      weights: Uint8Array.of(1, 2, 3, 4),
      rounds: 1,
      sites: 4,
      epsilon: null,
    };
    await world.until(world.board.publish('model', model, world.agent('aggregator').signer), hourMs);
    const all: AnyBoardEntry[] = [];
    world.board.onEntry((entry) => all.push(entry))[Symbol.dispose]();
    expect(all).toHaveLength(entries.length + 1);
    const verdict = verifyRun(all, taskId, { hashOf: contentId });
    expect(verdict.findings.map(({ kind }) => kind)).toEqual(['model-not-of-run', 'model-weights']);
    expect(verdictText(verdict)).toContain('the model is not what the last round gave');
  });
});
