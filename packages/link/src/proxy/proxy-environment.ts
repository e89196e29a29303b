import { isExcludedFromProxy } from './no-proxy.ts';
import { type Credentials, type ProxyServer, parseProxyUrl } from './proxy-server.ts';

/** The variables of a process, as `process.env` has them. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/**
 * The proxy the environment names for a target; null: none. HTTPS_PROXY before ALL_PROXY for TLS, HTTP_PROXY before ALL_PROXY for
 * plaintext; the lower-case spelling wins, as curl has it; NO_PROXY excludes. HTTP_PROXY in upper case is ignored where REQUEST_METHOD
 * is set: there it is a header of somebody's request (CVE-2016-5385).
 * @throws {ProxyConfigError} when the variable's value is no URL of a proxy.
 */
export function proxyFromEnvironment(
  variables: EnvironmentVariables,
  target: { readonly host: string; readonly port: number; readonly isTls: boolean },
  fallback: Credentials | null = null,
): ProxyServer | null {
  const read = (name: string) => variables[name.toLowerCase()] || variables[name] || undefined;
  const isServerScript = variables['REQUEST_METHOD'] !== undefined;
  const plaintext = isServerScript ? variables['http_proxy'] : read('HTTP_PROXY');
  const url = (target.isTls ? read('HTTPS_PROXY') : plaintext) || read('ALL_PROXY');
  if (url === undefined) return null;
  if (isExcludedFromProxy(read('NO_PROXY') ?? '', target.host, target.port)) return null;
  return parseProxyUrl(url, fallback);
}
