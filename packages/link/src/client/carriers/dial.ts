import type { DialTarget } from '../../dialer.ts';
import { LinkOptionError } from '../errors.ts';

/**
 * The place a link's URL names.
 * @throws {LinkOptionError} unless it is an http(s) or ws(s) URL without a password.
 */
export function dialTargetOf(url: URL, alpn: readonly string[]): DialTarget {
  const isSecure = url.protocol === 'https:' || url.protocol === 'wss:';
  const isPlain = url.protocol === 'http:' || url.protocol === 'ws:';
  if (!isSecure && !isPlain)
    throw new LinkOptionError(`a link's URL begins with https:// (or http://), not ${url.protocol}`);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
  return isSecure ? { host, port, tls: { servername: host, alpn } } : { host, port };
}
