import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, it } from 'vitest';
import { HostCredentials } from './host-credentials.ts';
import { tlsLimits } from './limits.ts';
import { newIdentity } from './test-hosts.ts';

const random = createSeededRandom(2);

it('makes one certificate for all connections, and the next one long before its end', async () => {
  const clock = new VirtualClock();
  const credentials = new HostCredentials(await newIdentity(), { clock, random });
  const [first, second] = await Promise.all([credentials.context(), credentials.context()]);
  expect(second).toBe(first);
  await clock.advance(tlsLimits.certificateRenewMs - 1);
  expect(await credentials.context()).toBe(first);
  await clock.advance(1);
  expect(await credentials.context()).not.toBe(first);
  expect(tlsLimits.certificateRenewMs).toBeLessThan(tlsLimits.certificateMs / 2);
});

it('makes a new one when the clock was put back by more than half of what it counts before', async () => {
  const clock = new VirtualClock();
  let backMs = 0;
  const turned = { ...clock, now: () => clock.now() - backMs, monotonicMs: () => 0, setTimer: clock.setTimer };
  const credentials = new HostCredentials(await newIdentity(), { clock: turned, random });
  const first = await credentials.context();
  backMs = tlsLimits.certificateBeforeMs / 2 - 1;
  expect(await credentials.context()).toBe(first);
  backMs += 1;
  expect(await credentials.context()).not.toBe(first);
});

it('tries again after the identity key could not sign', async () => {
  const identity = await newIdentity();
  let isLocked = true;
  const sign: typeof identity.sign = (bytes) => {
    if (isLocked) throw new Error('locked');
    return identity.sign(bytes);
  };
  const locked = Object.create(identity, { sign: { value: sign } }) as typeof identity;
  const credentials = new HostCredentials(locked, { clock: new VirtualClock(), random });
  await expect(credentials.context()).rejects.toThrow('locked');
  isLocked = false;
  await expect(credentials.context()).resolves.toBeDefined();
});
