import { encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyBoardEntry, type EntryKind, entryBytesMax } from '../entry.ts';
import {
  sampleContract,
  sampleEnrolment,
  sampleTask,
  someHash,
  type TestAuthor,
  testAuthor,
} from '../testing/sample-entries.ts';
import type { EntryBodies } from './bodies.ts';
import { contentKeyOf, entryIdOf, parseEntry, signEntry } from './entry-codec.ts';
import { EntryRules } from './entry-rules.ts';
import { type EntryRefusal, EntryRefusedError } from './errors.ts';
import { entryLimits } from './limits.ts';
import { entryKinds } from './schemas.ts';

const origin = 'board.test/1';
const place = { index: 5, origin };
const clinic = testAuthor('clinic');
const other = testAuthor('other');
const authority = testAuthor('authority');
const aggregator = testAuthor('aggregator');
const round = { task: someHash, round: 1, attempt: 1 } as const;

const samples: { readonly [Kind in EntryKind]: EntryBodies[Kind] } = {
  key: sampleEnrolment(clinic, 'Clinic'),
  task: sampleTask(),
  contract: sampleContract(someHash),
  round: { ...round, step: { name: 'survivors', survivors: [{ site: clinic.peerId, maskedHash: someHash }] } },
  model: { task: someHash, hash: someHash, bytes: 8, weights: new Uint8Array(8), rounds: 1, sites: 2, epsilon: null },
  evaluation: { task: someHash, model: someHash, auc: 0.9, runningAuc: null, patients: 40 },
  anchor: { about: 'consent', root: someHash, count: 3 },
  announcement: { title: 'Title', text: 'Two\nlines' },
  catalogue: {
    organisation: 'Clinic',
    cohorts: [{ criteria: { recordedHoursMin: 24, irregular: true }, patients: 10, vitals: ['readings', 'windows'] }],
    updatedMs: 1,
  },
  grant: { grant: someHash, step: 'purchase', offer: Uint8Array.of(1), proof: Uint8Array.of(2) },
};

const leafOf = <Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind] = samples[kind], author = clinic) =>
  signEntry({ kind, body, createdMs: 1_700_000_000_000 }, origin, author);

function refusalOf(action: () => unknown): EntryRefusal | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof EntryRefusedError) return error.refusal;
    throw error;
  }
}

describe('entries', () => {
  it.each(entryKinds)('of kind %s come back as they were signed', (kind) => {
    const leaf = leafOf(kind);
    const entry = parseEntry(leaf, place);
    expect(entry).toMatchObject({ index: 5, id: entryIdOf(leaf), author: clinic.peerId, kind });
    expect(entry.body).toEqual(samples[kind]);
  });

  it.each(entryKinds)('of kind %s are refused with a field too many, too few or of another kind', (kind) => {
    const fields = { ...(samples[kind] as object), more: 1 };
    expect(refusalOf(() => leafOf(kind, fields as never))).toBe('body');
    for (const name of Object.keys(samples[kind])) {
      const fewer = Object.fromEntries(Object.entries(samples[kind]).filter(([key]) => key !== name));
      const isOptional = kind === 'model' && name === 'weights';
      if (!isOptional) expect([name, refusalOf(() => leafOf(kind, fewer as never))]).toEqual([name, 'body']);
      const wrong = { ...samples[kind], [name]: Number.NaN };
      expect([name, refusalOf(() => leafOf(kind, wrong as never))]).toEqual([name, 'body']);
    }
  });

  it('are refused with any bit flipped, cut or lengthened', () => {
    const leaf = leafOf('contract');
    const changes = fc.record({ at: fc.nat(leaf.length - 1), bit: fc.nat(7), cut: fc.nat(leaf.length - 1) });
    fc.assert(
      fc.property(changes, ({ at, bit, cut }) => {
        const flipped = leaf.with(at, (leaf[at] as number) ^ (1 << bit));
        expect(refusalOf(() => parseEntry(flipped, place))).not.toBeNull();
        expect(refusalOf(() => parseEntry(leaf.slice(0, cut), place))).not.toBeNull();
      }),
    );
    expect(refusalOf(() => parseEntry(Uint8Array.of(...leaf, 0), place))).toBe('form');
  });

  it('never make the reader throw anything but a refusal', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.jsonValue().map((value) => encodeCbor(JSON.parse(JSON.stringify(value)))),
    );
    fc.assert(
      fc.property(bytes, (leaf) => {
        expect(refusalOf(() => parseEntry(leaf, place))).not.toBeNull();
      }),
    );
  });

  it('of another board, another author or a later kind are refused', () => {
    expect(refusalOf(() => parseEntry(leafOf('anchor'), { index: 0, origin: 'board.test/2' }))).toBe('signature');
    const forger: TestAuthor = { ...other, publicKey: clinic.publicKey };
    expect(refusalOf(() => parseEntry(leafOf('anchor', samples.anchor, forger), place))).toBe('signature');
    const later = { v: 1, kind: 'poem', author: clinic.publicKey, created: 1, body: {} };
    const signed = encodeCbor(later);
    const message = new Uint8Array([...new TextEncoder().encode(`pulsemesh/entry/1\0${origin}\0`), ...signed]);
    const leaf = new Uint8Array(encodeCbor([signed, clinic.sign(message)]));
    expect(refusalOf(() => parseEntry(leaf, place))).toBe('kind');
  });

  it('reach their limits and no further', () => {
    const text = 'x'.repeat(entryLimits.textCharactersMax);
    expect(refusalOf(() => leafOf('announcement', { title: 't', text }))).toBeNull();
    expect(refusalOf(() => leafOf('announcement', { title: 't', text: `${text}x` }))).toBe('body');
    expect(refusalOf(() => leafOf('announcement', { title: 'right\u202eleft', text: 't' }))).toBe('body');
    const weights = new Uint8Array(entryLimits.weightsBytesMax);
    expect(refusalOf(() => leafOf('model', { ...samples.model, weights }))).toBeNull();
    const longer = new Uint8Array(entryLimits.weightsBytesMax + 1);
    expect(refusalOf(() => leafOf('model', { ...samples.model, weights: longer }))).toBe('body');
    const sites = Array.from({ length: entryLimits.sitesMax }, (_, index) => testAuthor(`site ${index}`).peerId);
    const survivors = sites.map((site) => ({ site, maskedHash: someHash }));
    expect(leafOf('round', { ...round, step: { name: 'survivors', survivors } }).length).toBeLessThan(entryBytesMax);
    const twice = [...survivors.slice(1), survivors[1] as (typeof survivors)[0]];
    expect(refusalOf(() => leafOf('round', { ...round, step: { name: 'survivors', survivors: twice } }))).toBe('body');
    const many = [...survivors, { site: other.peerId, maskedHash: someHash }];
    expect(refusalOf(() => leafOf('round', { ...round, step: { name: 'survivors', survivors: many } }))).toBe('body');
    expect(refusalOf(() => parseEntry(new Uint8Array(entryBytesMax + 1), place))).toBe('size');
    const offer = new Uint8Array(entryLimits.offerBytesMax);
    expect(refusalOf(() => leafOf('grant', { ...samples.grant, offer }))).toBeNull();
    expect(refusalOf(() => leafOf('grant', { ...samples.grant, offer: new Uint8Array(offer.length + 1) }))).toBe(
      'body',
    );
    const proof = new Uint8Array(entryLimits.proofBytesMax);
    expect(refusalOf(() => leafOf('grant', { ...samples.grant, proof }))).toBeNull();
    expect(refusalOf(() => leafOf('grant', { ...samples.grant, proof: new Uint8Array(proof.length + 1) }))).toBe(
      'body',
    );
    const cohorts = Array.from({ length: entryLimits.cohortsMax }, () => samples.catalogue.cohorts[0] as never);
    expect(refusalOf(() => leafOf('catalogue', { ...samples.catalogue, cohorts }))).toBeNull();
    const moreCohorts = [...cohorts, cohorts[0] as never];
    expect(refusalOf(() => leafOf('catalogue', { ...samples.catalogue, cohorts: moreCohorts }))).toBe('body');
    // Each of its lists is within bounds, all of them together are not.
    const names = Array.from({ length: entryLimits.columnsMax }, (_, index) => `${index}`.padEnd(200, '-'));
    const columns = { ...sampleTask().query, columns: names };
    expect(refusalOf(() => leafOf('task', sampleTask({ query: columns, invited: sites })))).toBe('size');
  });

  it('that say the same have one content key, whenever they were signed', () => {
    const key = contentKeyOf('anchor', samples.anchor, clinic.peerId);
    expect(contentKeyOf('anchor', { ...samples.anchor }, clinic.peerId)).toBe(key);
    expect(contentKeyOf('anchor', { ...samples.anchor, count: 4 }, clinic.peerId)).not.toBe(key);
    expect(contentKeyOf('anchor', samples.anchor, other.peerId)).not.toBe(key);
  });
});

describe('who may write what', () => {
  const rules = () => new EntryRules({ authorities: [authority.peerId] });

  function entryOf<Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind], author: TestAuthor): AnyBoardEntry {
    return parseEntry(leafOf(kind, body, author), place);
  }

  /** Applies it, or says why not. */
  function say<Kind extends EntryKind>(to: EntryRules, kind: Kind, body: EntryBodies[Kind], author: TestAuthor) {
    const entry = entryOf(kind, body, author);
    const refusal = to.refusalOf(entry);
    if (refusal === null) to.apply(entry);
    return refusal ?? entry.id;
  }

  it('keys: enrolled and rotated by themselves, revoked by themselves or an authority, for good', () => {
    const to = rules();
    const enrolment = sampleEnrolment(clinic, 'Clinic');
    expect(say(to, 'key', enrolment, other)).toBe('not-own-key');
    expect(say(to, 'key', { ...enrolment, action: 'rotate' }, clinic)).toBe('key-order');
    expect(say(to, 'key', enrolment, clinic)).toHaveLength(64);
    expect(say(to, 'key', enrolment, clinic)).toBe('key-order');
    const revocation = { action: 'revoke', subject: clinic.peerId, name: 'Clinic', reason: 'lost' } as const;
    expect(say(to, 'key', revocation, other)).toBe('not-authority');
    expect(say(to, 'key', revocation, authority)).toHaveLength(64);
    expect(say(to, 'key', { ...enrolment, action: 'rotate' }, clinic)).toBe('key-revoked');
    expect(say(to, 'announcement', samples.announcement, clinic)).toBe('key-revoked');
  });

  it('cards are of the key they are about, where they can be read', () => {
    const to = new EntryRules({ authorities: [], cardHolder: (card) => (card[0] === 1 ? clinic.peerId : null) });
    const enrolment = sampleEnrolment(clinic, 'Clinic');
    expect(say(to, 'key', enrolment, clinic)).toBe('card');
    expect(say(to, 'key', { ...enrolment, card: Uint8Array.of(1) }, clinic)).toHaveLength(64);
  });

  it('catalogues: by whoever enrolled a key, and can be asked', () => {
    const to = rules();
    expect(say(to, 'catalogue', samples.catalogue, clinic)).toBe('not-enrolled');
    say(to, 'key', sampleEnrolment(clinic, 'Clinic'), clinic);
    expect(say(to, 'catalogue', samples.catalogue, clinic)).toHaveLength(64);
    expect(say(to, 'grant', samples.grant, other)).toHaveLength(64);
  });

  it('contracts by those invited or enrolled; rounds and models by the aggregator; evaluations by sites', () => {
    const to = rules();
    const task = say(to, 'task', sampleTask({ aggregator: aggregator.peerId }), other);
    const step = { task, round: 1, attempt: 1, step: samples.round.step } as const;
    expect(say(to, 'contract', sampleContract(someHash), clinic)).toBe('no-task');
    expect(say(to, 'contract', sampleContract(task), clinic)).toBe('not-invited');
    say(to, 'key', sampleEnrolment(clinic, 'Clinic'), clinic);
    expect(say(to, 'contract', sampleContract(task), clinic)).toHaveLength(64);
    expect(say(to, 'round', step, clinic)).toBe('not-party');
    expect(say(to, 'round', { ...step, task: someHash }, aggregator)).toBe('no-task');
    expect(say(to, 'round', step, aggregator)).toHaveLength(64);
    expect(say(to, 'evaluation', { ...samples.evaluation, task }, other)).toBe('no-contract');
    expect(say(to, 'contract', { task, action: 'leave' }, clinic)).toHaveLength(64);
    expect(say(to, 'contract', { task, action: 'leave' }, clinic)).toBe('no-contract');
    expect(say(to, 'evaluation', { ...samples.evaluation, task }, clinic)).toHaveLength(64);
    const alone = say(to, 'task', sampleTask({ invited: [clinic.peerId] }), other);
    expect(say(to, 'contract', sampleContract(alone), other)).toBe('not-invited');
    expect(say(to, 'model', { ...samples.model, task: alone }, clinic)).toBe('not-party');
    say(to, 'contract', sampleContract(alone), clinic);
    expect(say(to, 'model', { ...samples.model, task: alone }, clinic)).toHaveLength(64);
  });
});
