import { isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { errorCode } from '@pulsemesh/base';
import { CertificateError, TlsFailedError } from './errors.ts';

/** What to say in a TLS handshake. */
export interface TlsOptions {
  readonly servername: string;
  readonly alpn: readonly string[];
  readonly context: SecureContext;
}

/**
 * TLS on a connection that stands. The certificate is judged here and not by Node, so that the refusal can name who issued it;
 * nothing is sent before.
 * @throws {CertificateError}, {TlsFailedError}; `signal.reason`. The socket is destroyed then.
 */
export function startTls(socket: Socket, options: TlsOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      host: options.servername,
      ...(isIP(options.servername) === 0 ? { servername: options.servername } : {}),
      ALPNProtocols: [...options.alpn],
      secureContext: options.context,
      rejectUnauthorized: false,
    });
    socket.on('error', () => {}); // the failure shows on the TLS socket or as a close
    const settle = (action: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.off('close', onClose);
      secure.off('error', onError);
      action();
    };
    const fail = (reason: unknown) =>
      settle(() => {
        secure.on('error', () => {}); // destroying may make it fail once more
        secure.destroy();
        socket.destroy();
        reject(reason);
      });
    const onAbort = () => fail(signal.reason);
    const onError = (error: Error) => fail(new TlsFailedError(options.servername, errorCode(error)));
    const onClose = () => fail(new TlsFailedError(options.servername, 'ended'));
    secure.once('error', onError);
    socket.once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) return onAbort();
    secure.once('secureConnect', () => {
      if (secure.authorized) settle(() => resolve(secure));
      else fail(certificateError(secure, options.servername));
    });
  });
}

/** Who issued the certificate the other end shows, for people: printable, short. */
export function issuerOf(secure: TLSSocket): string {
  const { issuer } = secure.getPeerCertificate();
  const parts = [issuer?.O, issuer?.CN].flat().filter((part) => typeof part === 'string');
  const text = [...new Set(parts)].join(', ').replace(/\p{C}/gu, '?');
  return text === '' ? 'somebody unnamed' : text.slice(0, 80);
}

function certificateError(secure: TLSSocket, host: string): CertificateError {
  const problem: unknown = secure.authorizationError;
  const reason = typeof problem === 'string' ? problem : errorCode(problem);
  const issuer = issuerOf(secure);
  switch (reason) {
    case 'CERT_HAS_EXPIRED':
      return new CertificateError('certificate-expired', host, issuer, reason);
    case 'CERT_NOT_YET_VALID':
      return new CertificateError('certificate-not-yet-valid', host, issuer, reason);
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return new CertificateError('certificate-name', host, issuer, reason);
    default:
      return new CertificateError('certificate-untrusted', host, issuer, reason);
  }
}
