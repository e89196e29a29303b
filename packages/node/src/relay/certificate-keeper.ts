import { Condition, type Timer } from '@pulsemesh/base';
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
  /** To be given to the link, which reads it at each login. */
  readonly certificates: Uint8Array[] = [];
  readonly #enrolment: Enrolment;
  readonly #events: CertificateKeeperEvents;
  readonly #deps: NodeDependencies;
  readonly #stack = new DisposableStack();
  #expiry: Timer | undefined;

  constructor(enrolment: Enrolment, events: CertificateKeeperEvents, deps: NodeDependencies) {
    this.#enrolment = enrolment;
    this.#events = events;
    this.#deps = deps;
    this.#show();
    this.#stack.defer(() => this.#expiry?.cancel());
  }

  /** Begins to renew over the link that was given `certificates`. */
  renewOver(link: Link): void {
    const onRenewed = () => {
      const wasGuest = this.certificates.length === 0;
      this.#show();
      this.#events.onRenewed?.();
      if (wasGuest) link.session?.end(new CertificateRenewedError());
    };
    const { onEnded = () => {} } = this.#events;
    const request = link.request.bind(link);
    this.#stack.use(startRenewal({ enrolment: this.#enrolment, request, onRenewed, onEnded }, this.#deps));
  }

  #show(): void {
    const { membership, certificates } = this.#enrolment;
    this.certificates.splice(0, this.certificates.length, ...(membership === null ? [] : certificates));
    this.#expiry?.cancel();
    if (membership === null) return;
    const { clock } = this.#deps;
    this.#expiry = clock.setTimer(() => this.#show(), Math.max(0, membership.notAfterMs - clock.now()) + 1);
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
