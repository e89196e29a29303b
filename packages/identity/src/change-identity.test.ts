import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { decodeCbor } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { protectIdentity, refreshSealing, rotateSealing, sealingLimits, succeedIdentity } from './change-identity.ts';
import { IdentityMissingError, WrongKeyError } from './errors.ts';
import type { Identity } from './identity.ts';
import { identityLimits } from './identity-file.ts';
import { loadIdentity, loadOrCreateIdentity } from './load-or-create.ts';
import { verifySuccession } from './succession.ts';

/** The disk goes away before its operation number `left`: what follows does not happen, a write under way happens by half. */
const disk = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const spend = () => {
    disk.left -= 1;
    if (disk.left < 0) throw Object.assign(new Error('the power is out'), { code: 'EIO' });
  };
  type Handle = Awaited<ReturnType<typeof real.open>>;
  const guardHandle = (handle: Handle) =>
    new Proxy(handle, {
      get(target, name: keyof Handle) {
        const member = target[name];
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]) => {
          if (name === 'writeFile' && disk.left === 0) await target.writeFile((args[0] as Uint8Array).subarray(0, 100));
          if (name !== 'close') spend(); // a dead process closes its files too
          return (member as (...args: unknown[]) => unknown).apply(target, args);
        };
      },
    });
  const guard =
    <A extends unknown[], R>(action: (...args: A) => Promise<R>) =>
    async (...args: A) => {
      spend();
      return action(...args);
    };
  return {
    ...real,
    mkdir: guard(real.mkdir),
    link: guard(real.link),
    rename: guard(real.rename),
    unlink: guard(real.unlink),
    readdir: guard(real.readdir as (path: string) => Promise<string[]>),
    open: guard(async (...args: Parameters<typeof real.open>) => guardHandle(await real.open(...args))),
  };
});

const random = createSystemRandom();
let clock: VirtualClock;
let directory: string;
let options: { readonly file: string; readonly keyFile: string };

beforeEach(async () => {
  clock = new VirtualClock(1_700_000_000_000);
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-change-'));
  options = { file: join(directory, 'identity'), keyFile: join(directory, 'identity.key') };
});
afterEach(async () => {
  disk.left = Number.POSITIVE_INFINITY;
  await rm(directory, { recursive: true });
});

const dependencies = () => ({ clock, random });
const epochs = (identity: Identity) => identity.sealingKeys.map((key) => key.epoch);

describe('rotating the sealing key', () => {
  it('keeps identity and address, and the old key for opening', async () => {
    const before = await loadOrCreateIdentity(options, { random });
    const after = await rotateSealing(options, dependencies());
    expect(after.peerId).toBe(before.peerId);
    expect(epochs(after)).toEqual([1_700_000_000, 1]);
    expect(after.sealingKeys[1]?.publicKey).toEqual(before.sealing.publicKey);
    expect(after.sealingKeys[1]?.retiredMs).toBe(clock.now());
    expect(after.sealing.publicKey).not.toEqual(before.sealing.publicKey);
    const shared = before.sealing.sharedSecret(after.sealing.publicKey);
    expect((await loadIdentity(options, dependencies())).sealing.sharedSecret(before.sealing.publicKey)).toEqual(
      shared,
    );
    expect(after.nodeBoxKey).toEqual(before.nodeBoxKey);
    expect(await readdir(directory)).toEqual(['identity', 'identity.key']);
  });

  it('forgets retired keys once they are old, and past their number', async () => {
    await loadOrCreateIdentity(options, { random });
    await rotateSealing(options, dependencies());
    await clock.advance(sealingLimits.retiredMs);
    expect(epochs(await rotateSealing(options, dependencies()))).toHaveLength(2);
    let identity = await loadIdentity(options, dependencies());
    for (let time = 0; time < identityLimits.sealingKeysMax + 2; time += 1) {
      identity = await rotateSealing(options, dependencies());
    }
    expect(epochs(identity)).toHaveLength(identityLimits.sealingKeysMax);
    expect(epochs(identity)).toEqual(epochs(identity).toSorted((a, b) => b - a));
  });

  it('forgets everything at once after a theft: not even the seed brings a forgotten key back', async () => {
    await loadOrCreateIdentity(options, { random });
    const stolen = await rotateSealing(options, dependencies());
    const after = await rotateSealing(options, dependencies(), { forgetsOld: true });
    expect(epochs(after)).toEqual([1_700_000_001]);
    // The same seed, clock and epoch numbers give other keys: they hang on randomness that is kept nowhere.
    expect(after.sealing.publicKey).not.toEqual(stolen.sealing.publicKey);
  });

  it('happens by itself once the key is old, and not before', async () => {
    await loadOrCreateIdentity(options, { random });
    const first = await refreshSealing(options, dependencies());
    const content = await readFile(options.file);
    await refreshSealing(options, dependencies());
    expect(await readFile(options.file)).toEqual(content);
    await clock.advance(sealingLimits.useMs);
    const second = await refreshSealing(options, dependencies());
    expect(epochs(second)).toEqual([clock.now() / 1000, ...epochs(first)]);
    await clock.advance(sealingLimits.useMs - 1);
    await clock.advance(sealingLimits.retiredMs - sealingLimits.useMs);
    expect((await refreshSealing(options, dependencies())).sealingKeys.length).toBeLessThan(4);
  });

  it('loses no change when several processes make one at once', async () => {
    await loadOrCreateIdentity(options, { random });
    await Promise.all([1, 2, 3].map(() => rotateSealing(options, dependencies())));
    expect(epochs(await loadIdentity(options, dependencies()))).toHaveLength(4);
    expect(await readdir(directory)).toEqual(['identity', 'identity.key']);
  });

  it('makes no identity where there is none', async () => {
    await expect(rotateSealing(options, dependencies())).rejects.toThrow(IdentityMissingError);
    await expect(refreshSealing(options, dependencies())).rejects.toThrow(IdentityMissingError);
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('a crash at any operation on the disk', () => {
  const changes = {
    'a rotation': () => rotateSealing(options, dependencies()),
    'a succession': () => succeedIdentity(options, dependencies()),
  };

  it.each(Object.entries(changes))(
    'during %s leaves the old state or the new one, and the next change works',
    async (_what, change) => {
      for (let operations = 0, isDone = false; !isDone; operations += 1) {
        await rm(directory, { recursive: true });
        const before = await loadOrCreateIdentity(options, { random });
        disk.left = operations;
        const after = await change().catch(() => null);
        isDone = after !== null;
        disk.left = Number.POSITIVE_INFINITY;
        const found = await loadIdentity(options, dependencies());
        const isOld = epochs(found).length === 1 && found.peerId === before.peerId;
        expect(isOld || epochs(found).length === 2).toBe(true);
        if (after !== null) expect(found.peerId).toBe(after.peerId);
        await rotateSealing(options, dependencies());
        expect(await readdir(directory), `after ${operations} operations`).toEqual(['identity', 'identity.key']);
        expect(operations).toBeLessThan(100);
      }
    },
  );

  it('during a change of protection leaves it under the old key or the new one, and in the end under the new one only', async () => {
    const to = { file: options.file, keyFile: join(directory, 'other.key') };
    for (let operations = 0, isDone = false; !isDone; operations += 1) {
      await rm(directory, { recursive: true });
      const before = await loadOrCreateIdentity(options, { random });
      disk.left = operations;
      isDone = await protectIdentity(options, to, dependencies()).then(
        () => true,
        () => false,
      );
      disk.left = Number.POSITIVE_INFINITY;
      const under = async (where: typeof to) => (await loadIdentity(where, dependencies())).peerId;
      const [old, renewed] = await Promise.allSettled([under(options), under(to)]);
      const opens = [old, renewed].filter((outcome) => outcome.status === 'fulfilled');
      expect(opens.map((outcome) => outcome.value)).toEqual([before.peerId]);
      if (isDone) expect(old).toMatchObject({ status: 'rejected', reason: expect.any(WrongKeyError) });
    }
  });
});

describe('a succession', () => {
  it('is signed by both keys, keeps the disk readable and what was sealed to the old key openable', async () => {
    const before = await loadOrCreateIdentity(options, { random });
    const after = await succeedIdentity(options, dependencies());
    expect(after.peerId).not.toBe(before.peerId);
    expect(verifySuccession(after.successions[0] as Uint8Array)).toEqual({
      from: before.peerId,
      to: after.peerId,
      createdMs: clock.now(),
    });
    expect(after.nodeBoxKey).toEqual(before.nodeBoxKey);
    expect(after.sealingKeys[1]?.publicKey).toEqual(before.sealing.publicKey);
    const found = await loadIdentity(options, dependencies());
    expect(found.successions).toEqual(after.successions);
    expect((await succeedIdentity(options, dependencies())).nodeBoxKey).toEqual(before.nodeBoxKey);
  });

  it('forgets the oldest statement past their number', async () => {
    await loadOrCreateIdentity(options, { random });
    let identity = await succeedIdentity(options, dependencies());
    for (let time = 0; time < identityLimits.successionsMax; time += 1) {
      identity = await succeedIdentity(options, dependencies());
    }
    expect(identity.successions).toHaveLength(identityLimits.successionsMax);
    expect(verifySuccession(identity.successions.at(-1) as Uint8Array).to).toBe(identity.peerId);
  });
});

describe('an identity file of version 1', () => {
  it('becomes one of version 2 at its first change, and not by being read', async () => {
    const fixture = fileURLToPath(new URL('../fixtures/identity-1', import.meta.url));
    const where = { file: join(directory, 'identity'), passphrase: 'a fixture' };
    await copyFile(fixture, where.file);
    const before = await loadIdentity(where, dependencies());
    expect(decodeCbor(await readFile(where.file))).toMatchObject({ version: 1 });
    const after = await rotateSealing(where, dependencies());
    expect(decodeCbor(await readFile(where.file))).toMatchObject({ version: 2, generation: 1 });
    expect(after.peerId).toBe(before.peerId);
    expect(epochs(await loadIdentity(where, dependencies()))).toEqual([1_700_000_000, 1]);
    expect(after.nodeBoxKey).toEqual(before.nodeBoxKey);
  });

  it('of a version to come is refused and left as it is', async () => {
    await loadOrCreateIdentity(options, { random });
    const content = await readFile(options.file);
    const at = content.indexOf('version') + 'version'.length;
    content[at] = 3;
    await writeFile(options.file, content);
    await expect(rotateSealing(options, dependencies())).rejects.toMatchObject({ code: 'identity-damaged' });
    expect(await readFile(options.file)).toEqual(content);
  });
});
