import { Condition } from '@pulsemesh/base';

/** Why a handshake was refused; the values of the label `kind` of `tls_refusals_total`. */
export type TlsRefusal =
  | 'no-certificate'
  | 'certificate-too-large'
  | 'certificate-unreadable'
  | 'not-yet-valid'
  | 'expired'
  | 'not-self-signed'
  | 'weak-signature'
  | 'unknown-critical-extension'
  | 'no-identity'
  | 'identity-unreadable'
  | 'identity-forged'
  | 'wrong-peer'
  | 'not-libp2p'
  | 'unknown-muxer'
  | 'handshake-failed'
  | 'timed-out'
  | 'closed';

const sentences: Readonly<Record<TlsRefusal, string>> = {
  'no-certificate': 'the other side showed no certificate',
  'certificate-too-large': 'the certificate is larger than the limit',
  'certificate-unreadable': 'the certificate cannot be read',
  'not-yet-valid': 'the certificate is not valid yet: one of the two clocks is wrong',
  expired: 'the certificate has expired, or one of the two clocks is wrong',
  'not-self-signed': 'the certificate is not signed by its own key',
  'weak-signature': 'the certificate is signed with an algorithm that is not accepted',
  'unknown-critical-extension': 'the certificate has a critical extension that is not understood',
  'no-identity': 'the certificate has no libp2p identity',
  'identity-unreadable': 'the libp2p identity in the certificate cannot be read',
  'identity-forged': 'the identity key did not sign the key of the certificate',
  'wrong-peer': 'another peer than the one expected answered',
  'not-libp2p': 'the other side did not agree on libp2p by ALPN',
  'unknown-muxer': 'the other side chose a stream multiplexer that is not spoken here',
  'handshake-failed': 'the TLS handshake failed',
  'timed-out': 'the TLS handshake took too long',
  closed: 'the connection was closed during the TLS handshake',
};

const retryables: ReadonlySet<TlsRefusal> = new Set(['handshake-failed', 'timed-out', 'closed']);

/** A TLS handshake that was refused or failed; `code` is `tls-` and the {@link TlsRefusal}. */
export class TlsRefusedError extends Condition {
  override readonly name = 'TlsRefusedError';
  readonly refusal: TlsRefusal;
  constructor(refusal: TlsRefusal, cause?: unknown) {
    super(`tls-${refusal}`, sentences[refusal], { retryable: retryables.has(refusal), cause });
    this.refusal = refusal;
  }
}
