import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { Condition, errorForLog } from '@pulsemesh/base';
import { fromHex } from '@pulsemesh/wire';
import type { ServerEvents } from './server-events.ts';

/** A certificate chain and its key, PEM. */
export interface TlsMaterial {
  /** Own certificate first, then the intermediate ones. */
  readonly cert: string;
  readonly key: string;
}

/** The certificate or its key cannot be used. Not retryable. */
export class TlsMaterialError extends Condition {
  override readonly name = 'TlsMaterialError';
  constructor(cause: unknown) {
    super('tls-material', 'the TLS certificate or key cannot be read, or they do not belong together', { cause });
  }
}

/**
 * With TLS 1.2 only suites with ephemeral keys and authenticated encryption (RFC 9325 §4.2). They are offered for boxes that cannot do
 * better; what a connection came by is told in its facts.
 */
const cipherSuites = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** The certificate in use, renewed without a restart. */
export class TlsSource {
  readonly #read: () => TlsMaterial;
  readonly #minVersion: TlsVersion;
  readonly #events: ServerEvents;
  #material: TlsMaterial;
  #certificateSha256: Uint8Array;

  /** @throws {TlsMaterialError} */
  constructor(
    material: TlsMaterial | (() => TlsMaterial),
    minVersion: TlsVersion,
    deps: { readonly events: ServerEvents },
  ) {
    this.#read = typeof material === 'function' ? material : () => material;
    this.#minVersion = minVersion;
    this.#events = deps.events;
    this.#material = this.#checked(this.#read());
    this.#certificateSha256 = certificateHash(this.#material.cert);
  }

  /** SHA-256 of the DER of the certificate new connections are shown. */
  get certificateSha256(): Uint8Array {
    return this.#certificateSha256;
  }

  options(): TlsOptions {
    return {
      ...this.#material,
      minVersion: this.#minVersion,
      ciphers: cipherSuites,
      honorCipherOrder: true,
      // Renegotiation is a way to make a server work for nothing.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ALPNProtocols: ['h2', 'http/1.1'],
    };
  }

  /** Looks for a new certificate; true where there is one. One that cannot be used is reported, and the old one stays. */
  refresh(): boolean {
    try {
      const material = this.#read();
      if (material.cert === this.#material.cert && material.key === this.#material.key) return false;
      this.#material = this.#checked(material);
      this.#certificateSha256 = certificateHash(material.cert);
      this.#events.certificateRenewed();
      return true;
    } catch (error) {
      this.#events.certificateUnusable(errorForLog(error));
      return false;
    }
  }

  #checked(material: TlsMaterial): TlsMaterial {
    try {
      createSecureContext({ cert: material.cert, key: material.key });
    } catch (cause) {
      throw new TlsMaterialError(cause);
    }
    return { cert: material.cert, key: material.key };
  }
}

function certificateHash(certificate: string): Uint8Array {
  return fromHex(fingerprint(new X509Certificate(certificate)));
}

/** SHA-256 of a certificate's DER, lower-case hex. */
export function fingerprint(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}
