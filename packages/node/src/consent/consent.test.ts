import { readCsv } from '@pulsemesh/ledger';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GrantView, PatientInput } from '../api/types.ts';
import { ConsentWorld, page } from './consent-world.testing.ts';
import { createSoftwarePasskey } from './software-passkey.ts';
import { answerDraft, signedRevocation } from './software-patient.ts';

const hourMs = 3_600_000;
const fromMs = Math.floor(Date.UTC(2026, 10, 1) / hourMs) * hourMs;
const patient = (userId: string): PatientInput => ({
  ...{ userId, name: `Patient ${userId}`, email: `${userId}@example.org`, language: 'en', doctor: null },
  ...{ tells: { patient: true, doctor: false }, device: { kind: 'replay' } },
});
const study = {
  ...{ title: 'A study', purpose: 'research/rhythm', explanation: 'To learn.', vitals: ['readings'] as const },
  ...{ fromMs, untilMs: fromMs + 2 * hourMs, accessForMs: 24 * hourMs, validForMs: 24 * hourMs },
} as const;

/** Generous: a machine may be busy with other things. */
const waitMs = 60_000;
const until = <T>(look: () => Promise<T>) => vi.waitFor(look, { timeout: waitMs, interval: 100 });

let world: ConsentWorld;
beforeEach(() => {
  world = new ConsentWorld();
});
afterEach(() => world[Symbol.asyncDispose](), waitMs);

/** A registered patient who may be asked, with a passkey of software. */
async function enrol(userId: string, secret: number) {
  const { subject } = await world.api('home').registerPatient(patient(userId));
  const home = world.consent('home');
  await until(() => home.setAskable(subject, true));
  const passkey = createSoftwarePasskey(new Uint8Array(32).fill(secret), page);
  await home.enrolPasskey(subject, passkey.enrolment);
  return { subject, passkey };
}

/** The researcher asks; gives the request as the patient sees it. */
async function askFor(subject: string, price: string) {
  const research = world.consent('research');
  const view = await until(() => research.research());
  const { peerId } = await world.identity('home');
  await until(() =>
    research.ask({ ...study, home: peerId, criteria: {}, price, account: view.signer?.account ?? '0x' }),
  );
  return until(async () => {
    const ask = (await world.consent('home').consent(subject)).asks[0];
    if (ask === undefined) throw new Error('no request yet');
    return ask;
  });
}

function grantIn(phases: readonly GrantView['phase'][], of: 'home' | 'research', subject = '') {
  return until(async () => {
    const client = world.consent(of);
    const { grants } = of === 'home' ? await client.consent(subject) : await client.research();
    const grant = grants[0];
    if (grant === undefined || !phases.includes(grant.phase))
      throw new Error(`the grant is ${grant?.phase ?? 'not there'}`);
    return grant;
  });
}

describe.each(['chain', 'board'] as const)('consent over nodes that follow a %s', (ledger) => {
  it('goes from a request to a read that the patient sees, and ends when the patient says so', async () => {
    const isPaid = ledger === 'chain';
    await world.start(ledger);
    const [home, research] = [world.consent('home'), world.consent('research')];
    const { subject, passkey } = await enrol('ada', 1);
    const silent = await enrol('bo', 2);
    await world.record(patient('ada'), fromMs, 60);
    await world.record(patient('ada'), fromMs + 3 * hourMs, 10); // after what is agreed
    const ask = await askFor(subject, isPaid ? '25' : '0');
    const draft = await home.draft(subject, ask.askId, null);
    await home.accept(subject, await answerDraft(draft, passkey));
    const { grantId } = await grantIn(['offered'], 'research');
    await research.buy(grantId);
    await grantIn(['active'], 'research');
    const csv = readCsv(await research.data(grantId, 'csv'));
    expect(csv.rows.filter(({ record }) => record === 'reading')).toHaveLength(60);
    const seen = await until(async () => {
      const view = await home.consent(subject);
      if (!view.accesses.some(({ kind }) => kind === 'read')) throw new Error('not seen yet');
      return view;
    });
    expect(seen.alarms).toEqual([]);
    expect((await home.consent(silent.subject)).grants).toEqual([]);
    const earned = await until(async () => {
      const [one] = (await home.consent(subject)).earnings.amounts;
      if (isPaid && one?.withdrawable !== '25') throw new Error('not credited yet');
      return one;
    });
    if (isPaid) expect(earned).toMatchObject({ units: '25' });
    await until(async () => {
      const { anchors, custodians } = await home.audit();
      expect(anchors.length).toBeGreaterThan(0);
      expect(custodians.map(({ checkpoint }) => checkpoint === null)).toEqual([false, false]);
      expect(custodians.some(({ size }) => size > 0)).toBe(true);
    });
    for (const one of [subject, silent.subject]) {
      const opened = readCsv(await home.inEmergency(one, { by: 'Dr. Who', reason: 'unconscious' }, 'csv'));
      expect(opened.receiptDigests.length).toBeGreaterThan(0);
      const { accesses, alarms } = await home.consent(one);
      expect(accesses.filter(({ kind }) => kind === 'emergency')).toMatchObject([{ reason: 'Dr. Who: unconscious' }]);
      expect(alarms).toEqual([]);
    }
    await until(async () => expect(world.notices.filter((kind) => kind === 'emergency')).toHaveLength(2));
    const grant = await grantIn(['active'], 'home', subject);
    await home.revoke(subject, grantId, await signedRevocation(grant, passkey));
    await expect(research.data(grantId, 'csv')).rejects.toMatchObject({ code: 'access-denied' });
    await grantIn(['revoked'], 'research');
    await until(async () =>
      expect(world.notices).toEqual(expect.arrayContaining(['asked', 'accepted', 'paid', 'revoked'])),
    );
    expect(readCsv(await home.exported(subject, 'csv', grantId)).rows.length).toBeGreaterThanOrEqual(60);
  }, 240_000);
});
