import { Condition } from '@pulsemesh/base';

/** The name server knows no such name, or did not answer. */
export class NameNotFoundError extends Condition {
  override readonly name = 'NameNotFoundError';
  constructor(host: string, reason: string) {
    super('name-not-found', `the name ${host} cannot be resolved here (${reason})`, {
      facts: { host, reason },
      retryable: true,
    });
  }
}

/** No TCP connection to the server came about. */
export class ConnectFailedError extends Condition {
  override readonly name = 'ConnectFailedError';
  constructor(host: string, port: number, reason: string) {
    super('connect-failed', `no connection to ${host} port ${port}: ${reasonText(reason)}`, {
      facts: { host, port, reason },
      retryable: true,
    });
  }
}

/** The proxy itself cannot be reached. */
export class ProxyUnreachableError extends Condition {
  override readonly name = 'ProxyUnreachableError';
  constructor(proxy: string, reason: string) {
    super('proxy-unreachable', `the proxy ${proxy} cannot be reached: ${reasonText(reason)}`, {
      facts: { proxy, reason },
      retryable: true,
    });
  }
}

/** The proxy wants to know who asks, and was not satisfied. */
export class ProxyAuthError extends Condition {
  override readonly name = 'ProxyAuthError';
  constructor(proxy: string, problem: 'missing' | 'refused' | 'unsupported' | 'weak', offered: readonly string[]) {
    const schemes = offered.length === 0 ? 'nothing' : offered.join(', ');
    const texts = {
      missing: `the proxy ${proxy} wants a password (it offers ${schemes}) and none is configured`,
      refused: `the proxy ${proxy} refused the user name and password it was given (it offers ${schemes})`,
      unsupported: `the proxy ${proxy} offers only ${schemes}; Pulsemesh can do Basic and NTLM. For Kerberos run a local helper (cntlm, px) and name that as the proxy`,
      weak: `the proxy ${proxy} asks for NTLM version 1, which gives the password away; it has to be allowed explicitly`,
    };
    super('proxy-auth', texts[problem], { facts: { proxy, problem, offered: schemes } });
  }
}

/** The proxy answered, and would not make the connection. */
export class ProxyRefusedError extends Condition {
  override readonly name = 'ProxyRefusedError';
  constructor(proxy: string, target: string, status: number, via: string | null) {
    super('proxy-refused', `the proxy ${proxy} answered ${status} when asked for ${target}`, {
      facts: { proxy, target, status, via },
      retryable: status >= 500,
    });
  }
}

/** What came from the proxy is no answer to CONNECT. */
export class ProxyProtocolError extends Condition {
  override readonly name = 'ProxyProtocolError';
  constructor(proxy: string, what: string) {
    super('proxy-protocol', `the proxy ${proxy} did not speak HTTP: ${what}`, {
      facts: { proxy, what },
      retryable: true,
    });
  }
}

/** A proxy setting, a credentials file, a CA file or a PAC file cannot be used. */
export class ProxyConfigError extends Condition {
  override readonly name = 'ProxyConfigError';
  constructor(what: string) {
    super('proxy-config', what);
  }
}

/** The other end's certificate is not accepted. */
export class CertificateError extends Condition {
  override readonly name = 'CertificateError';
  constructor(
    code: 'certificate-untrusted' | 'certificate-expired' | 'certificate-not-yet-valid' | 'certificate-name',
    host: string,
    issuer: string,
    reason: string,
  ) {
    const texts = {
      'certificate-untrusted': `the certificate shown for ${host} was issued by "${issuer}", which this machine does not trust. If that is your organisation's inspecting proxy, give its CA certificate with a CA file`,
      'certificate-expired': `the certificate shown for ${host} (issued by "${issuer}") has expired, or this machine's clock is wrong`,
      'certificate-not-yet-valid': `the certificate shown for ${host} (issued by "${issuer}") is not valid yet: this machine's clock is probably wrong`,
      'certificate-name': `the certificate shown for ${host} (issued by "${issuer}") is for another name`,
    };
    super(code, texts[code], { facts: { host, issuer, reason } });
  }
}

/** TLS did not come about for another reason than the certificate. */
export class TlsFailedError extends Condition {
  override readonly name = 'TlsFailedError';
  constructor(host: string, reason: string) {
    super('tls-failed', `no TLS connection to ${host}: ${reasonText(reason)}`, {
      facts: { host, reason },
      retryable: true,
    });
  }
}

const reasonTexts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused (nothing listens there, or a firewall rejects it)',
  ECONNRESET: 'the connection was reset (a firewall or the other end cut it)',
  ETIMEDOUT: 'no answer (a firewall may drop the packets)',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  timeout: 'no answer in time (a firewall may drop the packets)',
  ended: 'the other end closed the connection',
};

function reasonText(reason: string): string {
  return reasonTexts[reason] ?? reason;
}
