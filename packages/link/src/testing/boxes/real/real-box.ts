import type { TestAuthority } from '../certificates.ts';

/** A middlebox as it is installed in hospitals, started for one test. */
export interface RealBox extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Without credentials; null when agents connect to it instead of the server. */
  readonly proxyUrl: string | null;
  /** Signs what it shows; null when it does not inspect. */
  readonly authority: TestAuthority | null;
}

export interface RealProxyOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Present: it wants this password. No blanks, no colons. */
  readonly auth?: { readonly scheme: 'basic' | 'ntlm'; readonly username: string; readonly password: string };
}

export interface RealInspectorOptions extends RealProxyOptions {
  /** Present: it opens TLS, and trusts servers of this authority (PEM). */
  readonly inspects?: { readonly serverCa: string };
}
