import { VirtualClock } from '@pulsemesh/base/testing';
import { expect, it } from 'vitest';
import { tlsLimits } from './limits.ts';
import { ClientSessions } from './sessions.ts';
import { loneNativeTls } from './test-hosts.ts';

const clock = new VirtualClock();
const { peer } = await loneNativeTls();

function kept(options: { bytes?: number; validMs?: number } = {}) {
  const notAfterMs = clock.now() + (options.validMs ?? 10 * tlsLimits.sessionMs);
  const server = { peer, notBeforeMs: clock.now(), notAfterMs };
  return { session: Buffer.alloc(options.bytes ?? 1_000), server, provenAtMs: clock.monotonicMs() };
}

it('offers a session to the peer it is of, and to no other', () => {
  const sessions = new ClientSessions({ clock });
  const one = kept();
  sessions.keep('one', one);
  expect(sessions.find('one')).toBe(one);
  expect(sessions.find('other')).toBeUndefined();
  sessions.forget('one');
  expect(sessions.find('one')).toBeUndefined();
});

it('offers none whose time is up, nor one of a certificate whose time is', async () => {
  const sessions = new ClientSessions({ clock });
  sessions.keep('old', kept());
  sessions.keep('expired', kept({ validMs: 1_000 }));
  await clock.advance(1_001);
  expect(sessions.find('expired')).toBeUndefined();
  expect(sessions.find('old')).toBeDefined();
  await clock.advance(tlsLimits.sessionMs);
  expect(sessions.find('old')).toBeUndefined();
  expect(sessions.size).toBe(0);
});

it('keeps as many as its limit, forgetting the one kept longest ago, and none that is too large', () => {
  const sessions = new ClientSessions({ clock }, 2);
  for (const name of ['one', 'two', 'one', 'three']) sessions.keep(name, kept());
  expect(
    [sessions.find('one'), sessions.find('two'), sessions.find('three')].map((found) => found !== undefined),
  ).toEqual([true, false, true]);
  sessions.keep('large', kept({ bytes: tlsLimits.sessionBytesMax + 1 }));
  expect(sessions.find('large')).toBeUndefined();
});
