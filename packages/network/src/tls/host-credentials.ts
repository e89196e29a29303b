import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { PrivateKey } from '@libp2p/interface';
import type { Clock, Random } from '@pulsemesh/base';
import { createHostCertificate, type HostCertificate } from './host-certificate.ts';
import { tlsLimits } from './limits.ts';

interface Credentials {
  readonly context: SecureContext;
  readonly certificate: HostCertificate;
  readonly madeAtMs: number;
}

/**
 * One host's certificate and the TLS context around it, used for every connection in both directions, with the keys of
 * the session tickets it gives out. Renewed long before its end; tickets of the one before are then not taken up any more.
 */
export class HostCredentials {
  readonly #identity: PrivateKey;
  readonly #dependencies: { readonly clock: Clock; readonly random: Random };
  readonly #isResuming: boolean;
  #present: Credentials | undefined;
  #making: Promise<Credentials> | undefined;

  /** Without `isResuming` no tickets are given out and none is taken up. */
  constructor(
    identity: PrivateKey,
    dependencies: { readonly clock: Clock; readonly random: Random },
    isResuming = true,
  ) {
    this.#identity = identity;
    this.#isResuming = isResuming;
    this.#dependencies = dependencies;
  }

  /** The context to use now. @throws what the identity key throws when it cannot sign. */
  async context(): Promise<SecureContext> {
    if (this.#present !== undefined && this.#isFresh(this.#present)) return this.#present.context;
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return (await this.#making).context;
  }

  #isFresh({ madeAtMs }: Credentials): boolean {
    const ageMs = this.#dependencies.clock.now() - madeAtMs;
    // A clock that was put back makes the age negative; the certificate must not lie in the future then.
    return ageMs < tlsLimits.certificateRenewMs && ageMs > -tlsLimits.certificateBeforeMs / 2;
  }

  async #make(): Promise<Credentials> {
    const madeAtMs = this.#dependencies.clock.now();
    const validity = {
      notBeforeMs: madeAtMs - tlsLimits.certificateBeforeMs,
      notAfterMs: madeAtMs + tlsLimits.certificateMs,
    };
    const certificate = await createHostCertificate(this.#identity, validity, this.#dependencies);
    const context = createSecureContext({
      cert: certificate.cert,
      key: certificate.key,
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      sessionTimeout: tlsLimits.sessionMs / 1_000,
      // Without one, OpenSSL takes up no session of a server that asks for certificates.
      sessionIdContext: 'libp2p-tls',
      ...(this.#isResuming ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
    });
    this.#present = { context, certificate, madeAtMs };
    return this.#present;
  }
}
