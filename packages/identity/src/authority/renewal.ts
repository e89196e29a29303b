import { type Clock, Condition, errorCode, type Logger, type Random, type Timer } from '@pulsemesh/base';
import type { AuthorityRequest, Enrolment } from './enrolment.ts';

/** When certificates are renewed. */
export const renewalTiming = {
  /** Of a certificate's life that passes before the next is fetched. */
  lifeShare: 2 / 3,
  /** Earlier or later by up to this share of its life, so that a thousand agents do not come at once. */
  jitterShare: 1 / 20,
  /** After a failure; doubled each time. */
  retryMs: 60_000,
  retryMsMax: 3_600_000,
} as const;

/** Codes after which asking again is pointless. */
const finalCodes: readonly string[] = ['agent-revoked', 'agent-unknown', 'renewal-late', 'authority-impostor'];

export interface RenewalOptions {
  readonly enrolment: Pick<Enrolment, 'membership' | 'renew'>;
  readonly request: AuthorityRequest;
  /** Told of each new certificate. */
  readonly onRenewed?: () => void;
  /** Told once when there will be no more: revoked, or too late. */
  readonly onEnded?: (reason: Condition) => void;
}

/** Keeps an enrolment's certificate fresh until disposed. */
export function startRenewal(
  options: RenewalOptions,
  dependencies: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): Disposable {
  const renewal = new Renewal(options, dependencies);
  renewal.plan();
  return renewal;
}

class Renewal implements Disposable {
  readonly #options: RenewalOptions;
  readonly #dependencies: { readonly clock: Clock; readonly random: Random; readonly logger: Logger };
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #failures = 0;

  constructor(
    options: RenewalOptions,
    dependencies: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  ) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  plan(): void {
    if (this.#stop.signal.aborted) return;
    const { clock } = this.#dependencies;
    this.#timer = clock.setTimer(() => void this.#run(), this.#delayMs());
  }

  #delayMs(): number {
    const { clock, random } = this.#dependencies;
    const { lifeShare, jitterShare, retryMs, retryMsMax } = renewalTiming;
    if (this.#failures > 0) {
      const delayMs = Math.min(retryMsMax, retryMs * 2 ** (this.#failures - 1));
      return delayMs * (0.5 + random.float() / 2);
    }
    const { membership } = this.#options.enrolment;
    if (membership === null) return 0; // it ran out: at once, within the grace
    const { notBeforeMs, notAfterMs } = membership;
    const lifeMs = notAfterMs - notBeforeMs;
    const jitterMs = (random.float() * 2 - 1) * jitterShare * lifeMs;
    return Math.max(0, notBeforeMs + lifeShare * lifeMs + jitterMs - clock.now());
  }

  async #run(): Promise<void> {
    const { enrolment, request, onRenewed, onEnded } = this.#options;
    try {
      await enrolment.renew(request, { signal: this.#stop.signal });
      this.#failures = 0;
      onRenewed?.();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const code = errorCode(error);
      this.#failures += 1;
      this.#dependencies.logger.warn('the certificate was not renewed', { code, failures: this.#failures });
      if (finalCodes.includes(code)) {
        this[Symbol.dispose]();
        onEnded?.(error instanceof Condition ? error : new Condition(code, 'no more certificates', { cause: error }));
        return;
      }
    }
    this.plan();
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Condition('renewal-stopped', 'the renewal was stopped'));
    this.#timer?.cancel();
  }
}
