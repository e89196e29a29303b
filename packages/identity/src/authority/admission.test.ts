import { createMemoryTables } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../identity.ts';
import { createAdmission } from './admission.ts';
import { invitationLimits, parseInvitation, signInvitation } from './invitation.ts';
import { createTestAuthority, testKey } from './test-authority.ts';

const relay = testKey(50);
const inviter = testKey(51);
const agent = testKey(1);

async function door() {
  const world = await createTestAuthority();
  const { authority, clock } = world;
  const options = {
    roots: () => [authority.root],
    revocations: () => authority.revocations,
    isRevoked: (peer: PeerId) => authority.isRevoked(peer),
    relay: relay.peerId,
    inviters: new Set([inviter.peerId]),
    allowed: new Set([testKey(60).peerId as string]),
    store: createMemoryTables(),
  };
  const admit = createAdmission(options, { clock });
  const come = (
    { peerId, publicKey }: Identity,
    shown: { certificates?: Uint8Array[]; invitation?: Uint8Array } = {},
  ) => admit({ peerId, publicKey, certificates: shown.certificates ?? [], invitation: shown.invitation ?? null });
  const invite = (more: Partial<Parameters<typeof signInvitation>[1]> = {}, by: Identity = relay) =>
    signInvitation(by, {
      relay: relay.peerId,
      expiresMs: clock.now() + 60_000,
      nonce: world.deps.random.bytes(16),
      ...more,
    });
  return { ...world, come, invite };
}

describe('admission', () => {
  it('lets in by certificate until it ends or is revoked, and says which', async () => {
    const { come, authority, enrolStatement, clock } = await door();
    const secret = await authority.createToken({ organisation: 'Ward 7', role: 'agent', uses: 2 });
    const { certificates } = await authority.enrol({ statement: enrolStatement(agent), secret });
    const shown = { certificates: [...certificates] };
    expect(await come(agent, shown)).toEqual({ kind: 'admitted' });
    expect(await come(testKey(2), shown)).toMatchObject({ kind: 'refused', code: 'certificate-wrong-peer' });
    await clock.advance(25 * 3_600_000);
    expect(await come(agent, shown)).toMatchObject({ kind: 'refused', code: 'certificate-expired' });
    await authority.revoke({ peer: agent.peerId }, 'left');
    // Whatever it shows.
    expect(await come(agent)).toMatchObject({ kind: 'refused', code: 'certificate-revoked' });
  });

  it('takes who shows nothing as a guest, and who stands on the list', async () => {
    const { come } = await door();
    expect(await come(agent)).toEqual({ kind: 'guest' });
    expect(await come(testKey(60))).toEqual({ kind: 'admitted' });
  });

  it('lets an invitation in as many as it says, the same ones again', async () => {
    const { come, invite } = await door();
    const invitation = invite({ uses: 2 });
    const verdicts = await Promise.all([1, 2, 3].map((n) => come(testKey(n), { invitation })));
    expect(verdicts.map(({ kind }) => kind)).toEqual(['admitted', 'admitted', 'refused']);
    expect(verdicts[2]).toMatchObject({ code: 'invitation-used' });
    expect(await come(testKey(1), { invitation })).toEqual({ kind: 'admitted' });
  });

  it('takes an invitation only of who may invite, for this relay, in time, by whom it is for', async () => {
    const { come, invite, clock, authority } = await door();
    const code = async (invitation: Uint8Array) => {
      const verdict = await come(agent, { invitation });
      return verdict.kind === 'refused' ? verdict.code : verdict.kind;
    };
    expect(await code(invite({}, inviter))).toBe('admitted');
    expect(await code(invite({ peer: agent.peerId }))).toBe('admitted');
    expect(await code(invite({}, testKey(9)))).toBe('invitation-foreign');
    expect(await code(invite({ relay: testKey(9).peerId }))).toBe('invitation-foreign');
    expect(await code(invite({ peer: testKey(2).peerId }))).toBe('invitation-of-another');
    expect(await code(invite({ expiresMs: clock.now() - 1_000 }))).toBe('invitation-expired');
    expect(await code(invite({ expiresMs: clock.now() + invitationLimits.msMax + 2_000 }))).toBe('invitation-expired');
    await authority.revoke({ peer: inviter.peerId }, 'left');
    expect(await code(invite({}, inviter))).toBe('invitation-foreign');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async (bytes) => {
        expect(await code(bytes)).toBe('invitation-malformed');
      }),
    );
    const altered = invite();
    altered[30] = (altered[30] as number) ^ 1;
    expect(await code(altered)).toMatch(/^invitation-/);
    expect(parseInvitation(invite())).toMatchObject({ by: relay.peerId, uses: 1, peer: null });
  });
});
