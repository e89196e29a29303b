import { Condition } from '@pulsemesh/base';
import { type Enrolment, startRenewal } from '@pulsemesh/identity/authority';
import type { Link } from '@pulsemesh/link';
import type { NodeDependencies } from '../process/node-context.ts';

export interface CertificateKeeperEvents {
  readonly onRenewed?: () => void;
  /** Told once when there will be no more: revoked, or too late. */
  readonly onEnded?: (reason: Condition) => void;
}

/**
 * The certificates that a link shows at each login, kept fresh over that link. One that ran out while there was no network is not
 * shown: the agent comes in as a guest, fetches the next one, and logs in anew.
 */
export class CertificateKeeper implements Disposable {
  readonly #enrolment: Enrolment;
  readonly #events: CertificateKeeperEvents;
  readonly #deps: NodeDependencies;
  readonly #stack = new DisposableStack();
  #isMember = false;

  constructor(enrolment: Enrolment, events: CertificateKeeperEvents, deps: NodeDependencies) {
    this.#enrolment = enrolment;
    this.#events = events;
    this.#deps = deps;
  }

  /**
   * To be given to the link, which asks at each login. No timer takes an old one away: a machine that slept wakes with its timers
   * late, and logs in before they fire.
   */
  readonly certificates = (): readonly Uint8Array[] => {
    const { membership, certificates } = this.#enrolment;
    this.#isMember = membership !== null;
    return this.#isMember ? certificates : [];
  };

  /** Begins to renew over the link that was given `certificates`. */
  renewOver(link: Link): void {
    const onRenewed = () => {
      this.#events.onRenewed?.();
      if (!this.#isMember) link.session?.end(new CertificateRenewedError());
    };
    const { onEnded = () => {} } = this.#events;
    const request = link.request.bind(link);
    this.#stack.use(startRenewal({ enrolment: this.#enrolment, request, onRenewed, onEnded }, this.#deps));
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** The session was a guest's; the next one is a member's. */
class CertificateRenewedError extends Condition {
  override readonly name = 'CertificateRenewedError';
  constructor() {
    super('certificate-renewed', 'the agent logs in anew, with its new certificate', { retryable: true });
  }
}
