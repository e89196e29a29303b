import { createSystemClock, sleep } from '@pulsemesh/base';
import type { PatientInput } from '@pulsemesh/node/api';
import { answerDraft, ConsentWorld, createSoftwarePasskey, page } from '@pulsemesh/node/consent-testing';
import { type BenchLine, benchLine } from '../report.ts';

const runs = Number(process.env['BENCH_RUNS'] ?? 3);
const readings = 3_600;
const hourMs = 3_600_000;
const fromMs = Math.floor(Date.UTC(2026, 10, 1) / hourMs) * hourMs;
const waitMsMax = 120_000;
const clock = createSystemClock();

/** How long it takes from a payment until the data is there, decrypted, with its receipts: over real relay, board and chain, in one process. */
export async function measureFlow(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const steps: Record<'key' | 'data' | 'seen', number[]> = { key: [], data: [], seen: [] };
  for (let run = 1; run <= runs; run += 1) {
    const took = await oneFlow();
    say(`run ${run}: ${JSON.stringify(took)}`);
    for (const [step, ms] of Object.entries(took)) steps[step as keyof typeof steps].push(ms);
  }
  const conditions = `home, two custodians, researcher, relay, board and embedded chain in one process, ${readings} readings of an hour; no peer does the same`;
  const line = (metric: string, values: readonly number[]) =>
    benchLine({ bench: 'ledger', metric, unit: 'ms', peerName: 'none', conditions }, values, []);
  return [
    line('payment to an active grant, its key opened and confirmed', steps.key),
    line('payment to decrypted data', steps.data),
    line('read to the patient seeing it', steps.seen),
  ];
}

async function oneFlow() {
  await using world = new ConsentWorld();
  await world.start('chain');
  const [home, research] = [world.consent('home'), world.consent('research')];
  const patient: PatientInput = {
    ...{ userId: 'ada', name: 'Ada', email: 'ada@example.org', language: 'en', doctor: null },
    ...{ tells: { patient: false, doctor: false }, device: { kind: 'replay' } },
  };
  const { subject } = await world.api('home').registerPatient(patient);
  await until(() => home.setAskable(subject, true));
  const passkey = createSoftwarePasskey(new Uint8Array(32).fill(1), page);
  await home.enrolPasskey(subject, passkey.enrolment);
  await world.record(patient, fromMs, readings);
  const { signer } = await until(() => research.research());
  const { peerId } = await world.identity('home');
  const question = {
    ...{ title: 'A study', purpose: 'research/rhythm', explanation: 'To learn.', vitals: ['readings'] as const },
    ...{ fromMs, untilMs: fromMs + 2 * hourMs, accessForMs: 24 * hourMs, validForMs: 24 * hourMs },
    ...{ home: peerId, criteria: {}, price: '25', account: signer?.account ?? '0x' },
  } as const;
  await until(() => research.ask(question));
  const ask = await until(async () => found((await home.consent(subject)).asks[0]));
  const draft = await home.draft(subject, ask.askId, null);
  await home.accept(subject, await answerDraft(draft, passkey));
  const { grantId } = await until(async () => found((await research.research()).grants[0]));
  const paidMs = clock.monotonicMs();
  await research.buy(grantId);
  await until(async () => found((await research.research()).grants.find(({ phase }) => phase === 'active')));
  const keyMs = clock.monotonicMs();
  await research.data(grantId, 'csv');
  const dataMs = clock.monotonicMs();
  await until(async () => found((await home.consent(subject)).accesses.find(({ kind }) => kind === 'read')));
  return { key: keyMs - paidMs, data: dataMs - paidMs, seen: clock.monotonicMs() - dataMs };
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not there yet');
  return value;
}

/** Asks again until it succeeds. */
async function until<T>(look: () => Promise<T>): Promise<T> {
  const endMs = clock.monotonicMs() + waitMsMax;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (clock.monotonicMs() > endMs) throw error;
      await sleep(clock, 20);
    }
  }
}
