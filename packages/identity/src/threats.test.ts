import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { toHex } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCard } from './card.ts';
import { rotateSealing, sealingLimits } from './change-identity.ts';
import { envelopeLimits, openEnvelope, sealEnvelope } from './envelope/index.ts';
import type { Identity } from './identity.ts';
import { identityOfSeed } from './identity.ts';
import { identityLimits } from './identity-file.ts';
import { loadIdentity, loadOrCreateIdentity } from './load-or-create.ts';

const random = createSystemRandom();
const friend = identityOfSeed(new Uint8Array(32).fill(9));
let clock: VirtualClock;
let directory: string;

beforeEach(async () => {
  clock = new VirtualClock(1_700_000_000_000);
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-threats-'));
});
afterEach(() => rm(directory, { recursive: true }));

const at = (name: string) => ({ file: join(directory, name, 'identity'), keyFile: join(directory, name, 'key') });
const dependencies = () => ({ clock, random });

/** What a friend sends by the identity's card of today. */
function mailTo(identity: Identity): Uint8Array {
  const to = createCard(identity, {}, { clock });
  return sealEnvelope({ from: friend, to, content: Uint8Array.of(1, 2, 3), context: 'mail' }, dependencies());
}

const open = (envelope: Uint8Array, to: Identity) => openEnvelope(envelope, { to, context: 'mail' }).content;

describe('whoever steals everything an identity holds', () => {
  it('opens nothing that was sealed before to keys that are forgotten', async () => {
    await loadOrCreateIdentity(at('own'), dependencies());
    const before = await rotateSealing(at('own'), dependencies());
    const mail = mailTo(before);
    await rotateSealing(at('own'), dependencies());
    expect(open(mail, await loadIdentity(at('own'), dependencies()))).toEqual(Uint8Array.of(1, 2, 3));
    await clock.advance(sealingLimits.retiredMs);
    await rotateSealing(at('own'), dependencies());
    await cp(join(directory, 'own'), join(directory, 'stolen'), { recursive: true });
    const thief = await loadIdentity(at('stolen'), dependencies());
    expect(thief.peerId).toBe(before.peerId);
    expect(() => open(mail, thief)).toThrow();
  });

  it('opens nothing that is sealed after the next rotation, though the key is the same', async () => {
    await loadOrCreateIdentity(at('own'), dependencies());
    await cp(join(directory, 'own'), join(directory, 'stolen'), { recursive: true });
    const after = await rotateSealing(at('own'), dependencies(), { forgetsOld: true });
    const thief = await rotateSealing(at('stolen'), dependencies());
    expect(thief.peerId).toBe(after.peerId);
    expect(thief.sealing.epoch).toBe(after.sealing.epoch);
    expect(() => open(mailTo(after), thief)).toThrow();
    expect(open(mailTo(after), after)).toEqual(Uint8Array.of(1, 2, 3));
  });
});

it('every sealing key that is remembered is one that an envelope is tried with', () => {
  expect(identityLimits.sealingKeysMax).toBeLessThanOrEqual(envelopeLimits.recipientKeysMax);
});

describe('two machines started from one copied disk', () => {
  it('draw different keys and seal their files under different series', async () => {
    await loadOrCreateIdentity(at('own'), dependencies());
    await cp(join(directory, 'own'), join(directory, 'copy'), { recursive: true });
    const keys = new Set<string>();
    for (let time = 0; time < 10; time += 1) {
      for (const name of ['own', 'copy']) {
        keys.add(toHex((await rotateSealing(at(name), dependencies())).sealing.publicKey));
      }
    }
    expect(keys.size).toBe(20);
  });
});
