import { AssertionError, createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AdditiveSettings,
  type AdditiveSite,
  additiveSettingsFault,
  additiveShareStep,
  createAdditiveSite,
  partialSumStep,
} from './additive.ts';
import { acceptedOf, plainSum, settingsOf, vectorOf } from './testing.ts';
import { addWords } from './words.ts';

const settingsFor = (count: number, changes: Partial<AdditiveSettings> = {}): AdditiveSettings => {
  const { task, round, attempt, sites, vectorLength } = settingsOf(count);
  return { task, round, attempt, sites, vectorLength, ...changes };
};
const siteOf = (settings: AdditiveSettings, index: number, seed = 1): AdditiveSite =>
  createAdditiveSite(
    { ...settings, self: settings.sites[index] as PeerId },
    { random: createSeededRandom(seed * 101 + index) },
  );
const vector = (index: number) => vectorOf(settingsOf(3), index);

interface Meeting {
  readonly settings: AdditiveSettings;
  readonly sites: readonly AdditiveSite[];
}

function meet(settings: AdditiveSettings, seed = 1): Meeting {
  return { settings, sites: settings.sites.map((_, index) => siteOf(settings, index, seed)) };
}

function exchangeShares({ settings, sites }: Meeting): void {
  for (const [from, site] of sites.entries()) {
    for (const [to, share] of site.shares) {
      const message = additiveShareStep.decode(additiveShareStep.encode(share));
      acceptedOf(
        (sites[settings.sites.indexOf(to)] as AdditiveSite).takeShare(settings.sites[from] as PeerId, message),
      );
    }
  }
}

function exchangePartialSums({ settings, sites }: Meeting): void {
  for (const [from, site] of sites.entries()) {
    const message = partialSumStep.decode(partialSumStep.encode(acceptedOf(site.partialSum(vector(from)))));
    for (const other of sites)
      if (other !== site) acceptedOf(other.takePartialSum(settings.sites[from] as PeerId, message));
  }
}

describe('a sum without aggregator', () => {
  it('is the plain sum, at every site, for any number of sites and any randomness', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 10 }), fc.nat({ max: 1e6 }), (count, seed) => {
        const meeting = meet(settingsFor(count), seed);
        exchangeShares(meeting);
        exchangePartialSums(meeting);
        const plain = plainSum(settingsOf(count), Array(count).keys());
        for (const site of meeting.sites) expect(site.sum()).toEqual(plain);
      }),
      { numRuns: 15 },
    );
  });

  it('fails closed when somebody is absent: no partial sum without all shares, no sum without all partial sums', () => {
    const [first, second] = [siteOf(settingsFor(3), 0), siteOf(settingsFor(3), 1)];
    acceptedOf(
      first.takeShare(settingsFor(3).sites[1] as PeerId, second.shares.get(settingsFor(3).sites[0] as PeerId) as never),
    );
    expect(first.partialSum(vector(0))).toEqual({ kind: 'refused', why: 'too-few' });
    const meeting = meet(settingsFor(3));
    exchangeShares(meeting);
    acceptedOf(meeting.sites[0]?.partialSum(vector(0)) as never);
    expect(meeting.sites[0]?.sum()).toBeNull();
  });

  it('gives the same messages again when it is built again from the same inputs', () => {
    const settings = settingsFor(4);
    const [once, again] = [meet(settings), meet(settings)];
    exchangeShares(once);
    exchangeShares(again);
    for (const [index, site] of once.sites.entries())
      expect(again.sites[index]?.partialSum(vector(index))).toEqual(site.partialSum(vector(index)));
  });

  it('shows colluders who lack two sites messages of the same sizes and the same sum, whichever of two vectors each of these has', () => {
    const settings = settingsFor(4);
    const views = [
      [0, 1],
      [1, 0],
    ].map((vectors) => {
      const meeting = meet(settings, 1 + (vectors[0] as number));
      exchangeShares(meeting);
      const partials = meeting.sites.map((site, index) =>
        partialSumStep.encode(acceptedOf(site.partialSum(vector(vectors[index] ?? index)))),
      );
      const sum = new Uint32Array(settings.vectorLength);
      for (const bytes of partials) addWords(sum, partialSumStep.decode(bytes).words);
      return { sizes: partials.map(({ length }) => length), partials: partials.slice(0, 2), sum };
    });
    expect(views[0]?.sizes).toEqual(views[1]?.sizes);
    expect(views[0]?.sum).toEqual(views[1]?.sum);
    expect(views[0]?.partials).not.toEqual(views[1]?.partials);
  });

  it('refuses what comes from strangers, from other attempts, twice, or in another size, and changes nothing', () => {
    const meeting = meet(settingsFor(3));
    const site = meeting.sites[0] as AdditiveSite;
    const [self, second] = meeting.settings.sites as readonly [PeerId, PeerId];
    const share = meeting.sites[1]?.shares.get(self) as { run: Uint8Array; seed: Uint8Array };
    const stranger = settingsOf(4).sites[3] as PeerId;
    const replayed = siteOf(settingsFor(3, { attempt: 2 }), 1).shares.get(self) as typeof share;
    const refused = (why: string) => ({ kind: 'refused', why });
    expect(site.takeShare(stranger, share)).toEqual(refused('stranger'));
    expect(site.takeShare(self, share)).toEqual(refused('stranger'));
    expect(site.takeShare(second, replayed)).toEqual(refused('other-run'));
    expect(site.takeShare(second, { ...share, seed: new Uint8Array(31) })).toEqual(refused('malformed'));
    exchangeShares(meeting);
    expect(site.takeShare(second, share)).toEqual(refused('repeated'));
    expect(site.partialSum(new Uint32Array(8))).toEqual(refused('malformed'));
    const partial = { run: share.run, words: new Uint32Array(7) };
    expect(site.takePartialSum(stranger, partial)).toEqual(refused('stranger'));
    expect(site.takePartialSum(second, { ...partial, run: replayed.run })).toEqual(refused('other-run'));
    expect(site.takePartialSum(second, { ...partial, words: new Uint32Array(6) })).toEqual(refused('malformed'));
    exchangePartialSums(meeting);
    expect(site.takePartialSum(second, partial)).toEqual(refused('repeated'));
    expect(site.partialSum(vector(0))).toEqual(refused('repeated'));
    expect(site.sum()).toEqual(plainSum(settingsOf(3), [0, 1, 2]));
    expect(site.refusals).toEqual({ stranger: 3, 'other-run': 2, malformed: 3, repeated: 3 });
  });

  it('is not for two sites, nor for eleven, nor with one of them twice', () => {
    const sites = settingsOf(11).sites;
    const faultOf = (changes: Partial<AdditiveSettings>) => additiveSettingsFault(settingsFor(3, changes));
    expect(faultOf({ sites: sites.slice(0, 2) })).toBe('number of sites');
    expect(faultOf({ sites })).toBe('number of sites');
    expect(faultOf({ sites: sites.slice(0, 10) })).toBeNull();
    expect(faultOf({ sites: [sites[0], sites[1], sites[0]] as PeerId[] })).toBe('a site twice');
    expect(faultOf({ vectorLength: 0 })).toBe('vector length');
    expect(() => siteOf(settingsFor(3, { vectorLength: 4_000_001 }), 0)).toThrow(AssertionError);
  });

  it('decodes nothing but its messages', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const step of [additiveShareStep, partialSumStep]) expect(() => step.decode(bytes)).toThrow();
      }),
    );
  });
});
