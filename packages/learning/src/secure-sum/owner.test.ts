import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Advertisement, type KeyList, maskedHashOf, type SealedShares, signAdvertisement } from './messages.ts';
import type { SummingOwner, Survivor } from './owner.ts';
import type { SumRefusal } from './refusal.ts';
import { runIdOf, type SumSettings } from './settings.ts';
import { acceptedOf, doneOf, ownerOf, type Site, settingsOf, sitesOf, TestSum, vectorOf } from './testing.ts';

const settings = settingsOf(5, { threshold: 3, survivorsMin: 3 });
const refused = (why: SumRefusal) => ({ kind: 'refused', why });
const at = (index: number) => settings.sites[index] as PeerId;
/** A point of order 8: every agreement with it gives zero. */
const smallOrder = Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex');

/** Site 0 as it is before a step, the rest having done what it waits for. The split is what it wrote down. */
interface Scene {
  readonly sum: TestSum;
  readonly list: KeyList;
  readonly split: Uint8Array;
  readonly delivery: SealedShares;
  readonly survivors: readonly Survivor[];
}

async function sceneOf(of: SumSettings, gone: ReadonlySet<number> = new Set()): Promise<Scene> {
  const sum = new TestSum(of, { drops: { mask: gone } });
  await sum.mask();
  return {
    sum,
    list: doneOf(new TestSum(of).advertise()).list,
    split: sum.splits.get(0) as Uint8Array,
    delivery: sum.deliveries.get(at(0)) as SealedShares,
    survivors: sum.survivors,
  };
}

/** Site 0 again, after `steps` steps. */
function ownerAfter(steps: 0 | 1 | 2 | 3, scene: Scene, of: SumSettings = settings): SummingOwner {
  const owner = ownerOf(of, 0);
  if (steps > 0) acceptedOf(owner.takeKeys(scene.list));
  if (steps > 1) acceptedOf(owner.takeSplit(scene.split));
  if (steps > 2) acceptedOf(owner.takeShares(scene.delivery, vectorOf(of, 0)));
  return owner;
}

let scene: Scene;
beforeAll(async () => {
  scene = await sceneOf(settings, new Set([4]));
});

describe('a site that gets the list of keys', () => {
  const without = (index: number) => scene.list.advertisements.filter(({ site }) => site !== index);
  const signedBy = (index: number, changes: Partial<Advertisement>, of: SumSettings = settings): Advertisement => {
    const keys = { ...(scene.list.advertisements[index] as Advertisement), ...changes };
    return signAdvertisement(keys, runIdOf(of), (message) => (sitesOf(5)[index] as Site).author.sign(message));
  };
  const replaced = (index: number, by: Advertisement): KeyList => ({
    advertisements: scene.list.advertisements.map((one) => (one.site === index ? by : one)),
  });

  it.each<readonly [string, SumRefusal, () => KeyList]>([
    ['without this site', 'without-me', () => ({ advertisements: without(0) })],
    [
      'with another key in its name',
      'without-me',
      () => replaced(0, signedBy(0, { maskKey: new Uint8Array(32).fill(9) })),
    ],
    ['with somebody else’s signature under a key', 'forged', () => replaced(2, { ...signedBy(3, {}), site: 2 })],
    ['with an altered signature', 'forged', () => replaced(1, { ...signedBy(1, {}), signature: new Uint8Array(64) })],
    ['with keys of another attempt', 'forged', () => replaced(1, signedBy(1, {}, { ...settings, attempt: 2 }))],
    ['with keys of another round', 'forged', () => replaced(1, signedBy(1, {}, { ...settings, round: 2 }))],
    ['with keys of another task', 'forged', () => replaced(1, signedBy(1, {}, { ...settings, task: 'b'.repeat(64) }))],
    [
      'with a mask key of small order',
      'weak-key',
      () => replaced(1, signedBy(1, { maskKey: new Uint8Array(smallOrder) })),
    ],
    [
      'with a sealing key of small order',
      'weak-key',
      () => replaced(1, signedBy(1, { sealingKey: new Uint8Array(smallOrder) })),
    ],
    [
      'with a site that was not asked',
      'stranger',
      () => ({ advertisements: [...without(4), signedBy(4, { site: 5 })] }),
    ],
    ['with a site twice', 'malformed', () => ({ advertisements: [...scene.list.advertisements, signedBy(1, {})] })],
    ['of too few', 'too-few', () => ({ advertisements: scene.list.advertisements.slice(0, 2) })],
  ])('refuses one %s, and takes the true one afterwards', (_, why, lie) => {
    const owner = ownerAfter(0, scene);
    expect(owner.takeKeys(lie())).toEqual(refused(why));
    expect(owner.refusals).toEqual({ [why]: 1 });
    expect(owner.takeKeys(scene.list).kind).toBe('taken');
    expect(owner.takeKeys(scene.list)).toEqual(refused('repeated'));
  });

  it('says the same hash of it as the aggregator, and another one of another list', () => {
    const whole = acceptedOf(ownerAfter(0, scene).takeKeys(scene.list));
    const part = acceptedOf(ownerAfter(0, scene).takeKeys({ advertisements: without(4) }));
    expect(whole.keysHash).toBe(doneOf(new TestSum(settings).advertise()).keysHash);
    expect(part.keysHash).not.toBe(whole.keysHash);
    expect(part.sites).toEqual(settings.sites.slice(0, 4));
  });
});

describe('a site that gets its neighbours’ shares', () => {
  it.each<readonly [string, SumRefusal, (delivery: SealedShares) => SealedShares]>([
    ['of another run', 'other-run', (delivery) => ({ ...delivery, run: new Uint8Array(16) })],
    [
      'of one who is no neighbour',
      'stranger',
      (delivery) => ({
        ...delivery,
        shares: [{ ...delivery.shares[0], site: 7 } as never, ...delivery.shares.slice(1)],
      }),
    ],
    [
      'of itself',
      'stranger',
      (delivery) => ({
        ...delivery,
        shares: [{ ...delivery.shares[0], site: 0 } as never, ...delivery.shares.slice(1)],
      }),
    ],
    [
      'with one twice',
      'malformed',
      (delivery) => ({ ...delivery, shares: [...delivery.shares, delivery.shares[0] as never] }),
    ],
    ['of too few', 'too-few', (delivery) => ({ ...delivery, shares: delivery.shares.slice(0, 1) })],
  ])('refuses those %s, and masks nothing', (_, why, lie) => {
    const owner = ownerAfter(2, scene);
    expect(owner.takeShares(lie(scene.delivery), vectorOf(settings, 0))).toEqual(refused(why));
    expect(owner.takeShares(scene.delivery, vectorOf(settings, 0)).kind).toBe('taken');
    expect(owner.takeShares(scene.delivery, vectorOf(settings, 1))).toEqual(refused('out-of-order'));
  });

  it('refuses a vector of another length', () => {
    expect(ownerAfter(2, scene).takeShares(scene.delivery, new Uint32Array(6))).toEqual(refused('malformed'));
  });

  it('goes on without a share that does not open: altered, of another neighbour, or of another attempt', async () => {
    const other = await sceneOf({ ...settings, attempt: 2 });
    const sealedOf = (from: SealedShares, index: number) => from.shares[index]?.sealed as Uint8Array;
    const altered = sealedOf(scene.delivery, 0).map((byte, index) => (index === 3 ? byte ^ 1 : byte));
    for (const sealed of [altered, sealedOf(scene.delivery, 1), sealedOf(other.delivery, 0)]) {
      const owner = ownerAfter(2, scene);
      const [first, ...rest] = scene.delivery.shares as [{ site: number; sealed: Uint8Array }];
      const delivery = { ...scene.delivery, shares: [{ ...first, sealed }, ...rest] };
      acceptedOf(owner.takeShares(delivery, vectorOf(settings, 0)));
      expect(owner.refusals).toEqual({ forged: 1 });
      expect(acceptedOf(owner.takeSurvivors(scene.survivors)).seeds.map(({ site }) => site)).toEqual([0, 2, 3]);
    }
  });
});

describe('a site that gets the survivor set', () => {
  const [me, ...others] = [0, 1, 2, 3];
  const some = (indexes: readonly (number | undefined)[]) =>
    indexes.map((index) => scene.survivors[index as number] as Survivor);

  it.each<readonly [string, SumRefusal, () => readonly Survivor[]]>([
    ['without it', 'without-me', () => some(others)],
    [
      'with another vector in its name',
      'without-me',
      () => [{ site: at(0), maskedHash: maskedHashOf(new Uint32Array(7)) }, ...some(others)],
    ],
    ['of fewer than the threshold', 'too-few', () => some([me, 1])],
    [
      'with somebody who was not asked',
      'never-seen',
      () => [...scene.survivors, { site: settingsOf(6).sites[5] as PeerId, maskedHash: '0' }],
    ],
    ['with somebody twice', 'malformed', () => [...some([me, 1, 2]), ...some([1])]],
    ['longer than the list of sites', 'malformed', () => [...scene.survivors, ...scene.survivors]],
  ])('refuses one %s, reveals nothing, and takes the true one afterwards', (_, why, lie) => {
    const owner = ownerAfter(3, scene);
    expect(owner.takeSurvivors(lie())).toEqual(refused(why));
    expect(owner.takeSurvivors(scene.survivors).kind).toBe('taken');
  });

  it('refuses one with a neighbour whose shares never came', () => {
    const owner = ownerAfter(2, scene);
    const delivery = { ...scene.delivery, shares: scene.delivery.shares.slice(1) };
    const { words } = acceptedOf(owner.takeShares(delivery, vectorOf(settings, 0)));
    const self = { site: at(0), maskedHash: maskedHashOf(words) };
    expect(owner.takeSurvivors([self, ...some(others)])).toEqual(refused('never-seen'));
    expect(owner.takeSurvivors([self, ...some([2, 3])]).kind).toBe('taken');
  });

  it('reveals for one set alone: a second one gets nothing, the same again the same', () => {
    const owner = ownerAfter(3, scene);
    const reveal = acceptedOf(owner.takeSurvivors(scene.survivors));
    expect(reveal.seeds.map(({ site }) => site)).toEqual([0, 1, 2, 3]);
    expect(reveal.keys.map(({ site }) => site)).toEqual([4]);
    expect(owner.takeSurvivors(some([me, 1, 2]))).toEqual(refused('second-set'));
    expect(owner.takeSurvivors([...some([me, 1, 2]), { site: at(3), maskedHash: '0'.repeat(64) }])).toEqual(
      refused('second-set'),
    );
    expect(owner.takeSurvivors([...scene.survivors].reverse())).toEqual({ kind: 'taken', value: reveal });
    expect(owner.refusals).toEqual({ 'second-set': 2 });
  });
});

describe('a site', () => {
  it('refuses what comes before its time, and a split that is none', () => {
    const owner = ownerAfter(0, scene);
    expect(owner.takeSplit(scene.split)).toEqual(refused('out-of-order'));
    expect(owner.takeShares(scene.delivery, vectorOf(settings, 0))).toEqual(refused('out-of-order'));
    expect(owner.takeSurvivors(scene.survivors)).toEqual(refused('out-of-order'));
    acceptedOf(owner.takeKeys(scene.list));
    for (const wrong of [new Uint8Array(0), scene.split.slice(1), scene.split.slice(0, -1)])
      expect(owner.takeSplit(wrong)).toEqual(refused('malformed'));
    expect(owner.refusals).toEqual({ 'out-of-order': 3, malformed: 3 });
  });

  it('built again from what it wrote down sends the same messages', () => {
    const [once, again] = [ownerAfter(0, scene), ownerAfter(0, scene)];
    expect(again.advertisement).toEqual(once.advertisement);
    expect(again.takeKeys(scene.list)).toEqual(once.takeKeys(scene.list));
    expect(again.takeSplit(scene.split)).toEqual(once.takeSplit(scene.split));
    const vector = vectorOf(settings, 0);
    expect(again.takeShares(scene.delivery, vector)).toEqual(once.takeShares(scene.delivery, vector));
    expect(vector).toEqual(vectorOf(settings, 0));
    expect(again.takeSurvivors(scene.survivors)).toEqual(once.takeSurvivors(scene.survivors));
  });

  it('has other keys in another attempt, and with other randomness', () => {
    const keyOf = (owner: SummingOwner) => Buffer.from(owner.advertisement.maskKey).toString('hex');
    const keys = [ownerOf(settings, 0), ownerOf(settings, 0, 2), ownerOf(settings, 1)].map(keyOf);
    expect(new Set(keys).size).toBe(3);
  });
});

describe('the two shares of one site', () => {
  it('are never both revealed, by anybody, whoever is gone and whatever further sets come', async () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const random = createSeededRandom(seed);
      const gone = new Set(random.shuffle([0, 1, 2, 3, 4]).slice(0, random.integer(3)));
      const sum = new TestSum(settings, { seed, drops: { mask: gone } });
      doneOf(await sum.mask());
      const seen = new Map<number, string>();
      for (const index of sum.present('mask')) {
        // Every set that a lying aggregator could show it, in any order, the true one among them.
        const sets = Array.from({ length: 2 ** sum.survivors.length }, (_, bits) =>
          sum.survivors.filter((__, place) => (bits >> place) & 1),
        );
        const lies = seed % 2 === 0 ? [] : random.shuffle(sets);
        const own = new Map<number, string>();
        for (const set of [...lies, sum.survivors]) {
          const reveal = sum.owner(index).takeSurvivors(set);
          if (reveal.kind === 'refused') continue;
          for (const [kind, shares] of Object.entries({ seed: reveal.value.seeds, key: reveal.value.keys })) {
            for (const { site } of shares) {
              expect(own.get(site) ?? kind).toBe(kind);
              own.set(site, kind);
            }
          }
        }
        if (lies.length > 0) continue;
        for (const [site, kind] of own) {
          expect(seen.get(site) ?? kind).toBe(kind);
          seen.set(site, kind);
        }
      }
    }
  });
});
