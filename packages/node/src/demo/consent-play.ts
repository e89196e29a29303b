import { type Clock, errorCode, type Logger, sleep } from '@pulsemesh/base';
import type { AskView, GrantPhase, GrantView, PatientConsentView, ResearchView } from '../api/types.ts';
import { ApiClient } from '../client/api-client.ts';
import { ConsentClient } from '../client/consent-client.ts';
import { createSoftwarePasskey } from '../consent/software-passkey.ts';
import { answerDraft } from '../consent/software-patient.ts';
import type { ConsentPlaySettings } from './consent-play-settings.ts';

/** Something to be told on the operator's screen. */
export type PlayStep = 'asked' | 'agreed' | 'bought' | 'read';

const retryMs = 1_000;
const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** Compensation of the demo's study, whole units. */
const priceUnits = '25';

const study = {
  title: 'Rhythm at rest and at night',
  purpose: 'research/rhythm',
  explanation:
    'We compare how hearts beat at rest and at night, to find irregular rhythms earlier. Your recordings are kept for two years at our ' +
    'institute and are not handed on. You can withdraw at any time; what was read until then stays read. Demo: nobody is behind this.',
  vitals: ['readings', 'windows', 'predictions'],
} as const;

const movingOn: readonly GrantPhase[] = ['paid', 'delivered'];

/**
 * The consent that runs its course in the demo, each party by the HTTP API of its own node: the researcher asks a cohort, one patient's
 * request is left waiting for whoever plays, the other's own device (a passkey of software, labelled so) agrees; the researcher buys and
 * reads. Each step looks first at what is there, so that it goes on after a restart. Resolves once it is through, or `signal` aborts.
 */
export async function playConsent(
  settings: ConsentPlaySettings,
  onStep: (step: PlayStep) => void,
  { clock, logger, signal }: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const play = new Play(settings, onStep);
  while (!signal.aborted) {
    try {
      if (await play.step()) return;
    } catch (error) {
      logger.debug('the consent waits: a node starts, or waits for another one', { code: errorCode(error) });
    }
    await sleep(clock, retryMs, { signal }).catch(() => {});
  }
}

class Play {
  readonly #settings: ConsentPlaySettings;
  readonly #onStep: (step: PlayStep) => void;
  readonly #home: ApiClient;
  readonly #consent: ConsentClient;
  readonly #research: ConsentClient;

  constructor(settings: ConsentPlaySettings, onStep: (step: PlayStep) => void) {
    this.#settings = settings;
    this.#onStep = onStep;
    this.#home = new ApiClient(settings.home);
    this.#consent = new ConsentClient(this.#home);
    this.#research = new ConsentClient(new ApiClient({ ...settings.research, timeoutMs: 30_000 }));
  }

  /** Does what is next; true once nothing is. */
  async step(): Promise<boolean> {
    const subjects = await this.#subjects();
    if (subjects === null) return false;
    const { waiting, agreeing } = subjects;
    await this.#prepare(waiting);
    const patient = await this.#prepare(agreeing);
    const office = await this.#research.research();
    if (office.asks.length === 0) return this.#ask(office);
    const ask = patient.asks.find((one) => one.title === study.title);
    if (ask?.state === 'waiting') return this.#agree(patient, ask);
    const grant = office.grants.find((one) => one.title === study.title);
    return grant === undefined ? false : this.#useGrant(grant);
  }

  async #subjects(): Promise<{ readonly waiting: string; readonly agreeing: string } | null> {
    const patients = await this.#home.patients();
    const of = (userId: string) => patients.find((one) => one.userId === userId && one.isRegistered)?.subject;
    const [waiting, agreeing] = [of(this.#settings.waitingUserId), of(this.#settings.agreeingUserId)];
    return waiting === undefined || agreeing === undefined ? null : { waiting, agreeing };
  }

  /** The demo's first two patients may be asked; what somebody changes on the page afterwards stays. */
  async #prepare(subject: string): Promise<PatientConsentView> {
    const view = await this.#consent.consent(subject);
    const isUntouched = view.asks.length === 0 && view.grants.length === 0;
    return isUntouched && !view.isAskable ? this.#consent.setAskable(subject, true) : view;
  }

  async #ask({ signer }: ResearchView): Promise<boolean> {
    if (signer === null) return true; // somebody took its account away
    const { homePeer, fromMs } = this.#settings;
    const from = Math.floor(fromMs / hourMs) * hourMs;
    await this.#research.ask({
      ...study,
      home: homePeer,
      criteria: {},
      fromMs: from,
      untilMs: from + dayMs,
      accessForMs: 30 * dayMs,
      price: priceUnits,
      account: signer.account,
      validForMs: 30 * dayMs,
    });
    this.#onStep('asked');
    return false;
  }

  async #agree({ subject, passkey }: PatientConsentView, { askId }: AskView): Promise<boolean> {
    const device = createSoftwarePasskey(
      new Uint8Array(Buffer.from(this.#settings.secret, 'hex')),
      this.#settings.page,
    );
    if (passkey === null) await this.#consent.enrolPasskey(subject, device.enrolment);
    // Another passkey is enrolled: somebody has taken over this patient.
    else if (passkey.credentialId !== device.enrolment.credentialId) return true;
    const draft = await this.#consent.draft(subject, askId, null);
    await this.#consent.accept(subject, await answerDraft(draft, device));
    this.#onStep('agreed');
    return false;
  }

  async #useGrant({ grantId, phase, accesses }: GrantView): Promise<boolean> {
    if (phase === 'offered') {
      await this.#research.buy(grantId);
      this.#onStep('bought');
      return false;
    }
    if (movingOn.includes(phase)) return false;
    if (phase !== 'active' || accesses > 0) return true;
    await this.#research.data(grantId, 'csv', 'windows');
    this.#onStep('read');
    return true;
  }
}
