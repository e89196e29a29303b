import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { Authority } from './authority.ts';
import { generateServerKey } from './issuer.ts';
import { parseRevocationList } from './judge.ts';
import { authorityLimits } from './limits.ts';
import { createTestAuthority, type TestAuthority, testKey } from './test-authority.ts';

const agent = testKey(1);
const membership = { organisation: 'Ward 7', role: 'agent' } as const;

async function enrolled(world: TestAuthority, identity = agent): Promise<Uint8Array> {
  const secret = await world.authority.createToken(membership);
  const answer = await world.authority.enrol({ statement: world.enrolStatement(identity), secret });
  return answer.certificates[0] as Uint8Array;
}

describe('enrolment', () => {
  it('gives a certificate at once for a token, and the same answer when asked again', async () => {
    const world = await createTestAuthority();
    const secret = await world.authority.createToken(membership);
    const statement = world.enrolStatement(agent);
    const first = await world.authority.enrol({ statement, secret });
    expect(first.state).toBe('issued');
    expect(await world.authority.enrol({ statement, secret })).toEqual(first);
    expect(await world.authority.status(first.id)).toEqual(first);
    expect(world.authority.agents()).toMatchObject([{ peer: agent.peerId, ...membership, revoked: null }]);
  });

  it('lets a token in as often as it says, not once more, and not after its end', async () => {
    const world = await createTestAuthority();
    const twice = await world.authority.createToken({ ...membership, uses: 2 });
    for (const n of [1, 2]) {
      const answer = await world.authority.enrol({ statement: world.enrolStatement(testKey(n)), secret: twice });
      expect(answer.state).toBe('issued');
    }
    const third = { statement: world.enrolStatement(testKey(3)), secret: twice };
    await expect(world.authority.enrol(third)).rejects.toMatchObject({ code: 'token-unknown' });
    const short = await world.authority.createToken({ ...membership, forMs: 1_000 });
    await world.clock.advance(1_001);
    const late = { statement: world.enrolStatement(testKey(3)), secret: short };
    await expect(world.authority.enrol(late)).rejects.toMatchObject({ code: 'token-unknown' });
    expect(world.authority.agents()).toHaveLength(2);
  });

  it('gives one of two agents that show a token for one at the same time a certificate', async () => {
    const world = await createTestAuthority();
    const secret = await world.authority.createToken(membership);
    const answers = await Promise.allSettled(
      [1, 2].map((n) => world.authority.enrol({ statement: world.enrolStatement(testKey(n)), secret })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('refuses a token for another role, another authority’s request, an old one and an altered one', async () => {
    const world = await createTestAuthority();
    const secret = await world.authority.createToken(membership);
    const refused = async (statement: Uint8Array, code: string) =>
      expect(world.authority.enrol({ statement, secret })).rejects.toMatchObject({ code });
    await refused(world.enrolStatement(agent, { role: 'relay' }), 'token-mismatch');
    await refused(world.enrolStatement(agent, { authority: new Uint8Array(32) }), 'other-authority');
    await refused(world.enrolStatement(agent, { createdMs: world.clock.now() - 700_000 }), 'request-time');
    const altered = world.enrolStatement(agent);
    altered[altered.length - 1] = (altered.at(-1) as number) ^ 1;
    await refused(altered, 'bad-signature');
    await refused(Uint8Array.of(1, 2, 3), 'malformed');
    // The token is as good as before.
    expect((await world.authority.enrol({ statement: world.enrolStatement(agent), secret })).state).toBe('issued');
  });

  it('says of wrong tokens that they are too many, and takes a right one all the same', async () => {
    const world = await createTestAuthority();
    const secret = await world.authority.createToken(membership);
    for (let guess = 0; guess < authorityLimits.wrongTokensMax; guess += 1) {
      const wrong = { statement: world.enrolStatement(agent), secret: world.deps.random.bytes(16) };
      await expect(world.authority.enrol(wrong)).rejects.toMatchObject({ code: 'token-unknown' });
    }
    const wrong = { statement: world.enrolStatement(agent), secret: world.deps.random.bytes(16) };
    await expect(world.authority.enrol(wrong)).rejects.toMatchObject({ code: 'too-many-guesses', retryable: true });
    const right = { statement: world.enrolStatement(agent), secret };
    expect((await world.authority.enrol(right)).state).toBe('issued');
  });

  it('makes no token that could not be read again', async () => {
    const world = await createTestAuthority();
    for (const organisation of ['', 'a\nb', 'x'.repeat(65)])
      await expect(world.authority.createToken({ organisation, role: 'agent' })).rejects.toMatchObject({
        code: 'malformed',
      });
    expect(world.store.count('authority-tokens')).toBe(0);
  });

  it('waits for an operator without a token; a yes and a no are final', async () => {
    const world = await createTestAuthority();
    const yes = { statement: world.enrolStatement(agent, membership), secret: null };
    const no = { statement: world.enrolStatement(testKey(2), membership), secret: null };
    expect((await world.authority.enrol(yes)).state).toBe('pending');
    expect((await world.authority.enrol(no)).state).toBe('pending');
    const [first, second] = ['a', 'b'].map((_, index) => world.authority.pending()[index]?.id ?? '');
    const ofAgent = world.authority.pending().find(({ peer }) => peer === agent.peerId)?.id ?? '';
    await world.authority.approve(ofAgent);
    expect(world.authority.pending()).toHaveLength(1);
    await world.authority.refuse((first === ofAgent ? second : first) ?? '', 'not one of ours');
    expect((await world.authority.enrol(yes)).state).toBe('issued');
    expect(await world.authority.enrol(no)).toMatchObject({ state: 'refused', reason: 'not one of ours' });
    await expect(world.authority.approve(ofAgent)).rejects.toMatchObject({ code: 'request-unknown' });
    const vague = { statement: world.enrolStatement(testKey(3)), secret: null };
    await expect(world.authority.enrol(vague)).rejects.toMatchObject({ code: 'organisation-missing' });
  });

  it('forgets requests nobody decided, and tokens that ran out', async () => {
    const world = await createTestAuthority();
    await world.authority.createToken(membership);
    await world.authority.enrol({ statement: world.enrolStatement(agent, membership), secret: null });
    await world.clock.advance(authorityLimits.requestKeepMs + 1);
    await world.authority.sweep();
    expect(world.authority.pending()).toEqual([]);
    expect(world.store.count('authority-tokens')).toBe(0);
  });
});

describe('renewal', () => {
  it('follows the key before and shortly after the end, and not later', async () => {
    const world = await createTestAuthority();
    await enrolled(world);
    await world.clock.advance(authorityLimits.certificateMs * 0.7);
    const statement = world.renewStatement(agent);
    const renewed = await world.authority.renew(statement);
    expect(await world.authority.renew(statement)).toEqual(renewed);
    await world.clock.advance(authorityLimits.certificateMs + authorityLimits.renewalGraceMs - 1_000);
    expect((await world.authority.renew(world.renewStatement(agent))).state).toBe('issued');
    await world.clock.advance(authorityLimits.certificateMs + authorityLimits.renewalGraceMs + 1_000);
    await expect(world.authority.renew(world.renewStatement(agent))).rejects.toMatchObject({ code: 'renewal-late' });
    const stranger = world.authority.renew(world.renewStatement(testKey(9)));
    await expect(stranger).rejects.toMatchObject({ code: 'agent-unknown' });
  });

  it('gives no agent more certificates at once than the limit', async () => {
    const world = await createTestAuthority();
    await enrolled(world);
    for (let count = 1; count < authorityLimits.certificatesPerAgentMax; count += 1)
      await world.authority.renew(world.renewStatement(agent));
    const more = () => world.authority.renew(world.renewStatement(agent));
    await expect(more()).rejects.toMatchObject({ code: 'too-many-certificates' });
    await world.clock.advance(authorityLimits.certificateMs);
    expect((await more()).state).toBe('issued');
  });
});

describe('revocation', () => {
  it('is not kept waiting by a crowd of agents', async () => {
    const world = await createTestAuthority();
    await enrolled(world);
    const crowd = Array.from({ length: authorityLimits.waitingMax + 1 }, (_, n) =>
      world.authority.enrol({ statement: world.enrolStatement(testKey(n % 100)), secret: new Uint8Array(16) }),
    );
    const revoked = world.authority.revoke({ peer: agent.peerId }, 'left');
    const refusals = await Promise.allSettled(crowd);
    expect(refusals.at(-1)).toMatchObject({ reason: { code: 'authority-busy' } });
    expect((await revoked).peer).toBe(agent.peerId);
  });

  it('is in the list, told at once, and ends renewal and enrolment of that key', async () => {
    const world = await createTestAuthority();
    await enrolled(world);
    await world.authority.renew(world.renewStatement(agent));
    const told: string[] = [];
    using _watch = world.authority.onRevoked(({ peer }) => told.push(peer));
    const before = await world.authority.list();
    await world.authority.revoke({ peer: agent.peerId }, 'key-compromise');
    await world.authority.revoke({ peer: agent.peerId }, 'again');
    expect(told).toEqual([agent.peerId, agent.peerId]);
    const list = await world.authority.list();
    const parsed = await parseRevocationList(list.der, [world.issuer.root]);
    expect([parsed.serials.size, parsed.number]).toEqual([2, before.number + 2]);
    expect(world.authority.isRevoked(agent.peerId)).toBe(true);
    const renewal = world.authority.renew(world.renewStatement(agent));
    await expect(renewal).rejects.toMatchObject({ code: 'agent-revoked' });
    await expect(enrolled(world)).rejects.toMatchObject({ code: 'agent-revoked' });
    expect(world.authority.agents()[0]?.revoked?.reason).toBe('key-compromise');
  });

  it('takes one certificate by its number, and a stranger’s key before it ever enrolled', async () => {
    const world = await createTestAuthority();
    await enrolled(world);
    await expect(world.authority.revoke({ serial: '7f' }, 'x')).rejects.toMatchObject({ code: 'certificate-unknown' });
    await world.authority.revoke({ peer: testKey(5).peerId }, 'known thief');
    await expect(enrolled(world, testKey(5))).rejects.toMatchObject({ code: 'agent-revoked' });
  });

  it('signs the list anew in good time, and drops certificates from it after their end', async () => {
    const world = await createTestAuthority();
    await enrolled(world);
    await world.authority.revoke({ peer: agent.peerId }, 'left');
    const first = await world.authority.list();
    await world.clock.advance(authorityLimits.crlMs / 2 + 1);
    const second = await world.authority.list();
    expect(second.number).toBe(first.number + 1);
    await world.clock.advance(authorityLimits.certificateMs + authorityLimits.crlMs);
    const third = await world.authority.list();
    expect((await parseRevocationList(third.der, [world.issuer.root])).serials.size).toBe(0);
    await expect(parseRevocationList(third.der, [])).rejects.toMatchObject({ code: 'bad-signature' });
    await expect(parseRevocationList(Uint8Array.of(48, 0), [])).rejects.toMatchObject({ code: 'malformed' });
  });
});

describe('a TLS certificate for a server', () => {
  it('is made for the names the root may sign for, and for no other', async () => {
    const { authority } = await createTestAuthority();
    const { publicKey } = await generateServerKey();
    const server = { organisation: 'St. Mary', publicKey };
    const made = await authority.issueServer({ ...server, dns: ['localhost', 'a.localhost'], ip: ['127.0.0.1'] });
    expect(made.length).toBeGreaterThan(200);
    for (const names of [
      { dns: ['example.org'], ip: [] },
      { dns: ['host'], ip: [] },
      { dns: ['localhost.example.org'], ip: [] },
      { dns: [], ip: ['127.0.0.2'] },
    ])
      await expect(authority.issueServer({ ...server, ...names })).rejects.toMatchObject({
        code: 'name-not-permitted',
      });
  });
});

/** A store whose process dies at commit number `at`: before it is durable, or after. */
function dyingStore(at: number, isAfter: boolean): { readonly dying: TableStore; readonly disk: TableStore } {
  const disk = createMemoryTables();
  let commits = 0;
  const dying: TableStore = {
    get: (table, key) => disk.get(table, key),
    range: (table, range) => disk.range(table, range),
    count: (table) => disk.count(table),
    async commit(changes) {
      commits += 1;
      if (commits === at && !isAfter) throw new Error('killed');
      await disk.commit(changes);
      if (commits === at) throw new Error('killed');
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
  return { dying, disk };
}

describe('killed at a commit', () => {
  it.each([
    [1, false],
    [1, true],
    [2, false],
    [2, true],
  ])('number %i, after it %o: goes on with the same request and the same token', async (at, isAfter) => {
    const { dying, disk } = dyingStore(at, isAfter);
    const world = await createTestAuthority(dying);
    const secret = await world.authority.createToken(membership).catch(() => null);
    const statement = world.enrolStatement(agent);
    const lost = secret === null ? null : await world.authority.enrol({ statement, secret }).catch(() => null);
    expect(lost).toBeNull();
    const after = new Authority({ store: disk, issuer: world.issuer }, world.deps);
    const token = secret ?? (await after.createToken(membership));
    const answer = await after.enrol({ statement, secret: token });
    expect([answer.state, after.agents().length]).toEqual(['issued', 1]);
    const second = after.enrol({ statement: world.enrolStatement(testKey(2)), secret: token });
    await expect(second).rejects.toMatchObject({ code: 'token-unknown' });
  });
});
