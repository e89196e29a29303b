import type { Condition } from '@pulsemesh/base';
import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { identityOfSeed } from '@pulsemesh/identity';
import { Authority, authorityLimits, createRoot, openIssuer } from '@pulsemesh/identity/authority';
import type { LinkSession } from '@pulsemesh/link';
import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { standingTiming, watchStanding } from './standing.ts';

const agent = identityOfSeed(new Uint8Array(32).fill(1));

async function world(allowed: readonly string[] = []) {
  const clock = new VirtualClock();
  const deps = { clock, random: createSeededRandom(3), logger: silentLogger, meter: silentMeter };
  const key = identityOfSeed(new Uint8Array(32).fill(9));
  const root = await createRoot(
    key,
    { organisation: 'St. Mary', names: { dns: ['localhost'], ip: ['127.0.0.1'] } },
    deps,
  );
  const issuer = await openIssuer(key, root, deps);
  const authority = new Authority({ store: createMemoryTables(), issuer }, deps);
  let tell: (session: LinkSession) => void = () => {};
  const onSession = (handler: typeof tell) => {
    tell = handler;
  };
  const watch = watchStanding({ authority, sessions: { onSession }, allowed: new Set(allowed) }, deps);
  const certificate = await issuer.issueAgent({ peer: agent.peerId, organisation: 'Ward 7', role: 'agent' });
  const open = (isGuest = false) => {
    const over = Promise.withResolvers<Condition | null>();
    const state: { endedBy: string | null } = { endedBy: null };
    const session: Partial<LinkSession> = {
      remote: {
        peerId: agent.peerId,
        publicKey: agent.publicKey,
        certificates: isGuest ? [] : [certificate.der],
        isGuest,
      },
      closed: over.promise,
      end(reason) {
        state.endedBy ??= reason.code;
        over.resolve(reason);
      },
    };
    tell(session as LinkSession); // all that is used of it
    return state;
  };
  return { clock, authority, watch, open };
}

const untilEndMs = authorityLimits.certificateMs + standingTiming.graceMs + standingTiming.lookPeriodMs;

describe('the standing of open sessions', () => {
  it('ends one whose certificate ran out and was not renewed, and not a minute before', async () => {
    const { clock, watch, open } = await world();
    using _watch = watch;
    const session = open();
    await clock.advance(authorityLimits.certificateMs + standingTiming.graceMs - 60_000);
    expect(session.endedBy).toBeNull();
    await clock.advance(2 * 60_000);
    expect(session.endedBy).toBe('certificate-expired');
  });

  it('leaves one alone whose agent has the next certificate, is on the list, or is a guest', async () => {
    const renewed = await world();
    using _first = renewed.watch;
    const session = renewed.open();
    await renewed.clock.advance(authorityLimits.certificateMs / 2);
    const { authority } = renewed;
    const known = { agent: () => ({ notAfterMs: renewed.clock.now() + 1e9 }) };
    Object.assign(authority, known);
    await renewed.clock.advance(untilEndMs);
    expect(session.endedBy).toBeNull();

    const listed = await world([agent.peerId]);
    using _second = listed.watch;
    const [member, guest] = [listed.open(), listed.open(true)];
    await listed.clock.advance(untilEndMs);
    expect([member.endedBy, guest.endedBy]).toEqual([null, null]);
  });

  it('ends one that was judged just before its agent was revoked', async () => {
    const { authority, watch, open } = await world();
    using _watch = watch;
    await authority.revoke({ peer: agent.peerId }, 'left');
    expect(open().endedBy).toBe('certificate-revoked');
    expect(open(true).endedBy).toBeNull();
  });
});
