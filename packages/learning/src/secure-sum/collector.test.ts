import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createSumCollector } from './collector.ts';
import {
  advertiseStep,
  type KeyList,
  maskedStep,
  type Reveal,
  revealStep,
  sharesStep,
  signAdvertisement,
} from './messages.ts';
import type { SumRefusal } from './refusal.ts';
import { runIdOf } from './settings.ts';
import { acceptedOf, doneOf, ownerOf, plainSum, settingsOf, sitesOf, TestSum, vectorOf } from './testing.ts';

const settings = settingsOf(5, { threshold: 3, survivorsMin: 3 });
const refused = (why: SumRefusal) => ({ kind: 'refused', why });
const failed = (reason: string, sites: readonly PeerId[] = []) => ({ kind: 'failed', reason, sites });
const stranger = settingsOf(6).sites[5] as PeerId;

describe('the aggregator', () => {
  it('takes the advertisements of those who are asked, each once and genuine', () => {
    const collector = createSumCollector(settings);
    const [first, second] = settings.sites as readonly [PeerId, PeerId];
    const { advertisement } = ownerOf(settings, 0);
    const weak = signAdvertisement(
      { ...advertisement, maskKey: new Uint8Array(32) },
      runIdOf(settings),
      (message) => sitesOf(1)[0]?.author.sign(message) as Uint8Array,
    );
    expect(collector.takeAdvertisement(stranger, advertisement)).toEqual(refused('stranger'));
    expect(collector.takeAdvertisement(second, advertisement)).toEqual(refused('stranger'));
    expect(collector.takeAdvertisement(second, { ...advertisement, site: 1 })).toEqual(refused('forged'));
    expect(collector.takeAdvertisement(first, ownerOf({ ...settings, attempt: 2 }, 0).advertisement)).toEqual(
      refused('forged'),
    );
    expect(collector.takeAdvertisement(first, weak)).toEqual(refused('weak-key'));
    acceptedOf(collector.takeAdvertisement(first, advertiseStep.decode(advertiseStep.encode(advertisement))));
    expect(collector.takeAdvertisement(first, advertisement)).toEqual(refused('repeated'));
    expect(collector.takeAdvertisement(first, ownerOf(settings, 0, 2).advertisement)).toEqual(refused('repeated'));
    expect(collector.closeAdvertisements()).toEqual(failed('too-few-advertised'));
    expect(collector.takeAdvertisement(second, ownerOf(settings, 1).advertisement)).toEqual(refused('out-of-order'));
    expect(collector.refusals).toEqual({ stranger: 2, forged: 2, 'weak-key': 1, repeated: 2, 'out-of-order': 1 });
  });

  it('takes shares from members for exactly their neighbours', async () => {
    const sum = new TestSum(settings, { drops: { advertise: new Set([4]) } });
    const { list } = doneOf(sum.advertise()) as { list: KeyList };
    const [first, second] = [sum.owner(0), sum.owner(1)];
    const sharesOf = async (owner: typeof first) => {
      acceptedOf(owner.takeKeys(list));
      return sharesStep.decode(sharesStep.encode(acceptedOf(owner.takeSplit(await owner.splitSecrets()))));
    };
    const [ours, theirs] = [await sharesOf(first), await sharesOf(second)];
    const take = (index: number, shares: typeof ours) => sum.collector.takeShares(sum.id(index), shares);
    expect(take(4, ours)).toEqual(refused('stranger'));
    expect(sum.collector.takeShares(stranger, ours)).toEqual(refused('stranger'));
    expect(take(0, { ...ours, run: new Uint8Array(16) })).toEqual(refused('other-run'));
    expect(take(0, theirs)).toEqual(refused('malformed'));
    expect(take(0, { ...ours, shares: ours.shares.slice(1) })).toEqual(refused('malformed'));
    acceptedOf(take(0, ours));
    expect(take(0, ours)).toEqual(refused('repeated'));
    expect(sum.collector.takeMasked(sum.id(0), { run: ours.run, words: new Uint32Array(7) })).toEqual(
      refused('out-of-order'),
    );
    expect(sum.collector.closeShares()).toEqual(failed('too-few-shared'));
  });

  it('adds each masked vector once, of the agreed length', async () => {
    const sum = new TestSum(settings, { drops: { share: new Set([4]) } });
    doneOf(await sum.share());
    const masked = [0, 1, 2, 3].map((index) => {
      const delivery = sum.deliveries.get(sum.id(index));
      return acceptedOf(sum.owner(index).takeShares(delivery as never, vectorOf(settings, index)));
    });
    const [first] = masked as [(typeof masked)[0]];
    const take = (index: number, message: typeof first) => sum.collector.takeMasked(sum.id(index), message);
    expect(take(4, first)).toEqual(refused('stranger'));
    expect(take(0, { ...first, run: new Uint8Array(16) })).toEqual(refused('other-run'));
    expect(take(0, { ...first, words: first.words.slice(1) })).toEqual(refused('malformed'));
    for (const [index, message] of masked.entries())
      acceptedOf(take(index, maskedStep.decode(maskedStep.encode(message))));
    expect(take(0, first)).toEqual(refused('repeated'));
    const survivors = doneOf(sum.collector.closeMasked());
    expect(survivors.map(({ site }) => site)).toEqual(settings.sites.slice(0, 4));
    const reveals = [0, 1, 2, 3].map((index) => acceptedOf(sum.owner(index).takeSurvivors(survivors)));
    for (const [index, reveal] of reveals.entries()) acceptedOf(sum.collector.takeReveal(sum.id(index), reveal));
    expect(doneOf(await sum.collector.open()).words).toEqual(plainSum(settings, [0, 1, 2, 3]));
    expect(await sum.collector.open()).toEqual(failed('too-few-revealed'));
  });

  /** Up to the reveals, site 4 being gone. */
  async function revealing(): Promise<{ sum: TestSum; reveals: readonly Reveal[] }> {
    const sum = new TestSum(settings, { drops: { mask: new Set([4]) } });
    doneOf(await sum.mask());
    return { sum, reveals: [0, 1, 2, 3].map((index) => acceptedOf(sum.owner(index).takeSurvivors(sum.survivors))) };
  }

  it('takes reveals from survivors, of each site the secret that is asked for, each once', async () => {
    const { sum, reveals } = await revealing();
    const reveal = revealStep.decode(revealStep.encode(reveals[0] as Reveal));
    const take = (index: number, message: Reveal) => sum.collector.takeReveal(sum.id(index), message);
    expect(take(4, reveal)).toEqual(refused('stranger'));
    expect(take(0, { ...reveal, run: new Uint8Array(16) })).toEqual(refused('other-run'));
    expect(take(0, { ...reveal, seeds: [...reveal.seeds, ...reveal.keys] })).toEqual(refused('malformed'));
    expect(take(0, { ...reveal, keys: [...reveal.keys, reveal.seeds[1] as never] })).toEqual(refused('malformed'));
    expect(take(0, { ...reveal, keys: [...reveal.keys, ...reveal.keys] })).toEqual(refused('malformed'));
    expect(take(0, { ...reveal, seeds: [...reveal.seeds, { ...reveal.seeds[0], site: 77 } as never] })).toEqual(
      refused('malformed'),
    );
    acceptedOf(take(0, reveal));
    expect(take(0, reveal)).toEqual(refused('repeated'));
    expect(sum.collector.canOpen()).toBe(false);
    acceptedOf(take(1, reveals[1] as Reveal));
    acceptedOf(take(2, reveals[2] as Reveal));
    expect(sum.collector.canOpen()).toBe(true);
    expect(doneOf(await sum.collector.open()).words).toEqual(plainSum(settings, [0, 1, 2, 3]));
  });

  // Not in the first or last byte: some of their bits are no part of an X25519 key.
  const spoilt = (reveal: Reveal, site: number): Reveal => {
    const spoil = (of: Reveal['seeds']) =>
      of.map((one) =>
        one.site === site ? { site, share: one.share.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) } : one,
      );
    return { ...reveal, seeds: spoil(reveal.seeds), keys: spoil(reveal.keys) };
  };

  it.each([1, 4])(
    'gets around one false share of site %s where one more than needed came, and names the site where not',
    async (site) => {
      for (const liar of [0, 1, 2, 3]) {
        for (const silent of [null, (liar + 1) % 4]) {
          const { sum, reveals } = await revealing();
          for (const [index, reveal] of reveals.entries()) {
            if (index === silent) continue;
            acceptedOf(sum.collector.takeReveal(sum.id(index), index === liar ? spoilt(reveal, site) : reveal));
          }
          const outcome = await sum.collector.open();
          if (silent === null) expect(doneOf(outcome).words).toEqual(plainSum(settings, [0, 1, 2, 3]));
          else expect(outcome).toEqual(failed('shares-inconsistent', [sum.id(site)]));
        }
      }
    },
  );

  it('refuses shares of one place, or of the place of the secret, as it refuses false ones', async () => {
    const { sum, reveals } = await revealing();
    for (const [index, reveal] of reveals.slice(0, 3).entries()) {
      const place = (share: Uint8Array) => share.map((byte, at) => (at === 32 ? (index === 0 ? 0 : 7) : byte));
      const seeds = reveal.seeds.map(({ site, share }) => ({ site, share: place(share) }));
      acceptedOf(sum.collector.takeReveal(sum.id(index), { ...reveal, seeds }));
    }
    expect(await sum.collector.open()).toEqual(failed('shares-inconsistent', settings.sites.slice(0, 4)));
  });

  it('leaves room for other work between masks', async () => {
    const { sum, reveals } = await revealing();
    for (const [index, reveal] of reveals.entries()) acceptedOf(sum.collector.takeReveal(sum.id(index), reveal));
    let pauses = 0;
    const pause = async () => {
      pauses += 1;
    };
    doneOf(await sum.collector.open({ pause }));
    expect(pauses).toBe(4 + 1 + 4 + 4); // secrets put together, then masks taken off
  });
});

describe('who colludes with the aggregator, all but two sites', () => {
  it('sees messages of the same sizes and the same sum, whichever of two vectors each of the two has', async () => {
    const viewOf = async (swapped: boolean) => {
      const sum = new TestSum(settings, { seed: swapped ? 2 : 1 });
      doneOf(await sum.share());
      const sizes = [0, 1, 2, 3, 4].map((index) => {
        const vector = vectorOf(settings, index < 2 && swapped ? 1 - index : index);
        const masked = acceptedOf(sum.owner(index).takeShares(sum.deliveries.get(sum.id(index)) as never, vector));
        acceptedOf(sum.collector.takeMasked(sum.id(index), masked));
        expect(masked.words).not.toEqual(vector);
        return maskedStep.encode(masked).length;
      });
      const survivors = doneOf(sum.collector.closeMasked());
      for (const index of [0, 1, 2, 3, 4]) {
        const reveal = acceptedOf(sum.owner(index).takeSurvivors(survivors));
        sizes.push(revealStep.encode(reveal).length);
        expect(reveal.keys).toEqual([]);
        acceptedOf(sum.collector.takeReveal(sum.id(index), reveal));
      }
      return { sizes, sum: doneOf(await sum.collector.open()).words };
    };
    expect(await viewOf(true)).toEqual(await viewOf(false));
  });
});
