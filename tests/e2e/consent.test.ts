import { createSeededRandom } from '@pulsemesh/base';
import type { AccessView, GrantPhase, PatientInput } from '@pulsemesh/node/api';
import { describe, expect, it, vi } from 'vitest';
import { createSoftwarePasskey } from '../../packages/node/src/consent/software-passkey.ts';
import { answerDraft, signedRevocation } from '../../packages/node/src/consent/software-patient.ts';
import { ConsentProcesses, type ProcessName, page, processNames } from './consent-world.ts';
import { temporaryDirectory } from './demo-process.ts';

// How many processes are killed in one course, one at each step; the nightly asks for more.
const kills = Number(process.env['CONSENT_KILLS'] ?? '2');
const seed = Number(process.env['CONSENT_SEED'] ?? '6');
/** A machine may be busy with other things, and a killed process has to come back first. */
const stepMs = 240_000;
const price = 25;

const ada: PatientInput = {
  ...{ userId: 'QmAda', name: 'Ada Example', email: 'ada@example.org', language: 'en', doctor: null },
  ...{ tells: { patient: true, doctor: false }, device: { kind: 'replay' } },
};
const hourMs = 3_600_000;
const fromMs = Date.UTC(2026, 10, 1);

const until = <T>(look: () => Promise<T>) => vi.waitFor(look, { timeout: stepMs, interval: 500 });

/** What must hold whoever was killed when: no key without pay, and no read without its entry. */
function assertOrder(accesses: readonly AccessView[], phase: GrantPhase, reads: number): void {
  const released = accesses.some(({ kind }) => kind === 'release');
  if (phase === 'offered' || phase === 'refunded') expect(released).toBe(false);
  expect(accesses.filter(({ kind }) => kind === 'read').length).toBeGreaterThanOrEqual(reads);
}

describe('a consent between real processes', () => {
  it(`runs its course while ${kills} of them are killed (CONSENT_KILLS, CONSENT_SEED=${seed})`, async () => {
    using directory = temporaryDirectory();
    await using world = new ConsentProcesses(directory.path);
    await world.start();
    const random = createSeededRandom(seed);
    const killed = new Map<number, ProcessName>();
    const steps = random.shuffle([0, 1, 2, 3, 4, 5]);
    for (const step of steps.slice(0, kills)) killed.set(step, random.shuffle([...processNames])[0] ?? 'home');
    /** Kills whom this step kills, a moment after it began or right before. */
    const disturb = (step: number) => {
      const victim = killed.get(step);
      if (victim !== undefined) world.kill(victim);
    };
    const [home, research] = [world.consent('home'), world.consent('research')];
    const { subject } = await until(() => world.api('home').registerPatient(ada));
    await until(() => home.setAskable(subject, true));
    const device = createSoftwarePasskey(new Uint8Array(32).fill(3), page);
    await until(() => home.enrolPasskey(subject, device.enrolment));
    const { signer } = await until(() => research.research());

    disturb(0);
    const study = {
      title: 'A study',
      purpose: 'research/rhythm',
      explanation: 'To learn.',
      vitals: ['windows'],
    } as const;
    const span = { fromMs, untilMs: fromMs + hourMs, accessForMs: 24 * hourMs, validForMs: 24 * hourMs };
    const account = signer?.account ?? '0x';
    await until(async () => {
      if ((await research.research()).asks.length > 0) return;
      await research.ask({
        ...study,
        ...span,
        home: world.peerOf('home'),
        criteria: {},
        price: String(price),
        account,
      });
    });

    const ask = await until(
      async () => (await home.consent(subject)).asks[0] ?? Promise.reject(new Error('no request')),
    );
    disturb(1);
    await until(async () => {
      if ((await home.consent(subject)).grants.length > 0) return;
      await home.accept(subject, await answerDraft(await home.draft(subject, ask.askId, null), device));
    });

    const { grantId } = await until(async () => {
      return (await research.research()).grants[0] ?? Promise.reject(new Error('no offer'));
    });
    assertOrder((await until(() => home.consent(subject))).accesses, 'offered', 0);
    disturb(2);
    const phaseOf = async () => (await research.research()).grants.find((one) => one.grantId === grantId)?.phase;
    await until(async () => {
      if ((await phaseOf()) === 'offered') await research.buy(grantId);
    });

    disturb(3);
    await until(async () => expect(await phaseOf()).toBe('active'));
    await until(async () => {
      const [amount] = (await home.consent(subject)).earnings.amounts;
      expect(amount?.withdrawable).toBe(String(price));
    });

    disturb(4);
    await until(() => research.data(grantId, 'csv'));
    await until(async () => {
      const view = await home.consent(subject);
      assertOrder(view.accesses, 'active', 1);
      expect(view.accesses.some(({ kind }) => kind === 'release')).toBe(true);
      expect(view.alarms).toEqual([]);
    });

    const grant = (await home.consent(subject)).grants[0];
    if (grant === undefined) throw new Error('the grant is gone');
    disturb(5);
    const signature = await signedRevocation(grant, device);
    await until(() => home.revoke(subject, grantId, signature));
    await until(async () => expect(await phaseOf()).toBe('revoked'));
    await expect(until(() => research.data(grantId, 'csv').catch((error) => error.code))).resolves.toBe(
      'access-denied',
    );
  }, 900_000);
});
