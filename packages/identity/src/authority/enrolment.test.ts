import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Condition } from '@pulsemesh/base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuthorityRequest, Enrolment } from './enrolment.ts';
import { createAuthorityFolder, openAuthorityFolder } from './folder.ts';
import { authorityLimits } from './limits.ts';
import { encodeEnrolAnswer } from './messages.ts';
import { startRenewal } from './renewal.ts';
import { createAuthorityService } from './service.ts';
import { createTestAuthority, testKey } from './test-authority.ts';

const agent = testKey(1);
const wish = { organisation: 'Ward 7', role: 'agent' } as const;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-enrolment-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function ready() {
  const world = await createTestAuthority();
  const service = createAuthorityService(world.authority, world.deps);
  const request: AuthorityRequest = (method, message) => service.handle(method, message, 'agent');
  const token = async (isAddress = false) => ({
    relayUrl: 'https://relay.example',
    relayPeer: testKey(50).peerId,
    rootFingerprint: world.authority.fingerprint,
    secret: isAddress ? null : await world.authority.createToken(wish),
  });
  const file = join(directory, 'enrolment');
  const begin = async (given: Awaited<ReturnType<typeof token>>, asked?: typeof wish) =>
    Enrolment.begin({ file, token: given, ...(asked === undefined ? {} : { wish: asked }) }, agent, world.deps);
  return { ...world, request, token, begin, file };
}

describe('an agent that enrols', () => {
  it('has a certificate that lasts over restarts, and needs its token once', async () => {
    const { token, begin, request, file, deps } = await ready();
    const given = await token();
    const enrolment = await begin(given);
    expect(enrolment.membership).toBeNull();
    expect(await enrolment.enrol(request)).toBe('issued');
    expect(enrolment.membership).toMatchObject({ ...wish, peer: agent.peerId });
    const found = await Enrolment.open(file, agent, deps);
    expect([found?.certificates, found?.relayUrl]).toEqual([enrolment.certificates, given.relayUrl]);
    expect(await (await begin(given)).enrol(() => Promise.reject(new Error('asked again')))).toBe('issued');
  });

  it('sends the same request again after an answer was lost, so that the token is not used twice', async () => {
    const { token, begin, request, authority } = await ready();
    const given = await token();
    const lossy: AuthorityRequest = async (method, message) => {
      await request(method, message);
      throw new Condition('session-lost', 'lost', { retryable: true });
    };
    await expect((await begin(given)).enrol(lossy)).rejects.toMatchObject({ code: 'session-lost' });
    const after = await begin(given);
    expect(await after.enrol(request)).toBe('issued');
    expect(authority.agents()).toHaveLength(1);
  });

  it('waits for the operator over restarts, and takes a no', async () => {
    const { token, begin, request, authority, file, deps } = await ready();
    const first = await begin(await token(true), wish);
    expect(await first.enrol(request)).toBe('pending');
    const again = await Enrolment.open(file, agent, deps);
    expect(await again?.enrol(request)).toBe('pending');
    await authority.refuse(authority.pending()[0]?.id ?? '', 'no');
    await expect(again?.enrol(request)).rejects.toMatchObject({ code: 'enrolment-refused' });
  });

  it('signs a request anew that was too old when it first arrived', async () => {
    const { token, begin, request, clock } = await ready();
    const enrolment = await begin(await token());
    await clock.advance(authorityLimits.requestSkewMs + 60_000);
    expect(await enrolment.enrol(request)).toBe('issued');
  });

  it('takes nothing from another authority than the token’s, nor a certificate of another key', async () => {
    const { token, begin, authority, enrolStatement, request } = await ready();
    const lying = await begin(await token());
    const secret = await authority.createToken(wish);
    const others = await authority.enrol({ statement: enrolStatement(testKey(2)), secret });
    const swapped: AuthorityRequest = async () => encodeEnrolAnswer(others);
    await expect(lying.enrol(swapped)).rejects.toMatchObject({ code: 'certificate-unusable' });
    const otherRoot: AuthorityRequest = async () =>
      encodeEnrolAnswer({ ...others, root: others.certificates[0] ?? secret });
    await expect(lying.enrol(otherRoot)).rejects.toMatchObject({ code: 'authority-impostor' });
    await expect(lying.enrol(async () => Uint8Array.of(1))).rejects.toMatchObject({ code: 'answer-malformed' });
    expect([lying.certificates, lying.membership]).toEqual([[], null]);
    expect(await lying.enrol(request)).toBe('issued');
  });

  it('says when what it kept is damaged', async () => {
    const { file, deps } = await ready();
    await writeFile(file, 'nonsense', { mode: 0o600 });
    await expect(Enrolment.open(file, agent, deps)).rejects.toMatchObject({ code: 'enrolment-damaged' });
    expect(await Enrolment.open(join(directory, 'none'), agent, deps)).toBeNull();
  });
});

describe('renewal', () => {
  async function enrolled() {
    const world = await ready();
    const enrolment = await world.begin(await world.token());
    await enrolment.enrol(world.request);
    return { ...world, enrolment };
  }
  /** File writes take real turns of the loop: wait until `isDone`, moving no clock. */
  const settled = async (isDone: () => boolean) => {
    while (!isDone()) await new Promise<void>((resolve) => setImmediate(resolve));
  };

  it('happens at two thirds of the life, a little earlier or later, again and again', async () => {
    const { enrolment, request, clock, deps } = await enrolled();
    let renewed = 0;
    using _renewal = startRenewal({ enrolment, request, onRenewed: () => (renewed += 1) }, deps);
    await clock.advance(authorityLimits.certificateMs * 0.6);
    expect(renewed).toBe(0);
    await clock.advance(authorityLimits.certificateMs * 0.13);
    await settled(() => renewed === 1);
    await clock.advance(authorityLimits.certificateMs * 0.73);
    await settled(() => renewed === 2);
    expect(enrolment.membership?.notAfterMs).toBeGreaterThan(clock.now());
  });

  it('goes on trying without a network, and fetches one after the end', async () => {
    const { enrolment, request, clock, deps } = await enrolled();
    let isThere = false;
    let tries = 0;
    let renewed = 0;
    const unsteady: AuthorityRequest = async (...call) => {
      tries += 1;
      if (!isThere) throw new Condition('link-unreachable', 'no network', { retryable: true });
      return request(...call);
    };
    using _renewal = startRenewal({ enrolment, request: unsteady, onRenewed: () => (renewed += 1) }, deps);
    await clock.advance(2 * authorityLimits.certificateMs);
    expect(enrolment.membership).toBeNull();
    expect(tries).toBeGreaterThan(20);
    isThere = true;
    await clock.advance(3_600_000);
    await settled(() => renewed === 1);
    expect(enrolment.membership).not.toBeNull();
  });

  it('ends when the key is revoked, and tells', async () => {
    const { enrolment, request, clock, deps, authority } = await enrolled();
    await authority.revoke({ peer: agent.peerId }, 'left');
    const ended: string[] = [];
    using _renewal = startRenewal({ enrolment, request, onEnded: ({ code }) => ended.push(code) }, deps);
    await clock.advance(10 * authorityLimits.certificateMs);
    expect(ended).toEqual(['agent-revoked']);
  });
});

describe('an authority’s folder', () => {
  it('keeps agents, tokens and the root over restarts, sealed under its key', async () => {
    const { deps } = await createTestAuthority();
    const place = { directory };
    const facts = { organisation: 'St. Mary', relayUrl: null, relayPeer: testKey(50).peerId };
    await expect(openAuthorityFolder(place, deps)).rejects.toMatchObject({ code: 'authority-missing' });
    const made = await createAuthorityFolder(place, facts, deps);
    await expect(createAuthorityFolder(place, facts, deps)).rejects.toMatchObject({ code: 'authority-exists' });
    const elsewhere = { directory: join(directory, 'other') };
    for (const names of [
      { dns: ['*.example'], ip: [] },
      { dns: [], ip: ['1.2.3'] },
    ])
      await expect(createAuthorityFolder(elsewhere, { ...facts, names }, deps)).rejects.toMatchObject({
        code: 'malformed',
      });
    {
      await using folder = await openAuthorityFolder(place, deps);
      await folder.authority.revoke({ peer: agent.peerId }, 'known thief');
      expect(folder.settings).toEqual(made);
    }
    await using again = await openAuthorityFolder(place, deps);
    expect([again.authority.isRevoked(agent.peerId), again.authority.root]).toEqual([true, made.root]);
  });
});
