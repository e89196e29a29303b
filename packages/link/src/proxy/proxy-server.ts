import { ProxyConfigError } from './errors.ts';

/** A user name and password for a proxy. Never printed: `toJSON` and `toString` say that there is one, nothing else. */
export class Credentials {
  readonly domain: string;
  readonly username: string;
  readonly #password: string;

  /** `user` may be `DOMAIN\name`, as NTLM wants it. */
  constructor(user: string, password: string) {
    const backslash = user.indexOf('\\');
    this.domain = backslash === -1 ? '' : user.slice(0, backslash);
    this.username = user.slice(backslash + 1);
    this.#password = password;
  }

  /** For the one place that puts it on the wire. */
  revealPassword(): string {
    return this.#password;
  }

  toJSON(): string {
    return '[credentials]';
  }

  toString(): string {
    return '[credentials]';
  }
}

/** A proxy that makes tunnels with CONNECT. */
export interface ProxyServer {
  /** How the proxy itself is spoken to. */
  readonly scheme: 'http' | 'https';
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials | null;
}

const urlCharactersMax = 2048;

/**
 * A proxy of its URL: `http://host:3128`, `https://user:password@host`, or `host:port` alone, as environments have it. A user may
 * be `DOMAIN%5Cname`.
 * @throws {ProxyConfigError}, whose text does not repeat the URL, since it may hold a password.
 */
export function parseProxyUrl(text: string, fallback: Credentials | null = null): ProxyServer {
  const trimmed = text.trim();
  if (trimmed.length > urlCharactersMax) throw new ProxyConfigError('the URL of the proxy is too long');
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `http://${trimmed}`;
  if (!URL.canParse(full)) throw new ProxyConfigError('the URL of the proxy is not a URL');
  const url = new URL(full);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ProxyConfigError(`a proxy is reached by http: or https:, not ${url.protocol}`);
  }
  const scheme = url.protocol === 'http:' ? 'http' : 'https';
  return {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? { http: 80, https: 443 }[scheme] : Number(url.port),
    credentials: url.username === '' ? fallback : new Credentials(decoded(url.username), decoded(url.password)),
  };
}

/**
 * The credentials of a file: its first line, `user:password` or `DOMAIN\user:password`.
 * @throws {ProxyConfigError}, without the line.
 */
export function parseCredentials(text: string): Credentials {
  const line = text.split(/\r?\n/, 1)[0] ?? '';
  const colon = line.indexOf(':');
  if (colon < 1) throw new ProxyConfigError('the proxy credentials file does not begin with a line user:password');
  return new Credentials(line.slice(0, colon), line.slice(colon + 1));
}

/** `host:port`, brackets around IPv6: for people, logs and CONNECT. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ProxyConfigError('the user or password in the URL of the proxy is not percent-encoded correctly');
  }
}
