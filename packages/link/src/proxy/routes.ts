import { readFileSync } from 'node:fs';
import { errorCode, type WaitOptions } from '@pulsemesh/base';
import { ProxyConfigError } from './errors.ts';
import { createPacRunner, type PacDependencies, type PacRunner } from './pac.ts';
import { type EnvironmentVariables, proxyFromEnvironment } from './proxy-environment.ts';
import { type Credentials, type ProxyServer, parseCredentials, parseProxyUrl } from './proxy-server.ts';

/** Where the choice of proxy comes from. */
export type ProxySetting =
  | { readonly kind: 'none' }
  /** HTTPS_PROXY, ALL_PROXY, NO_PROXY and so on. */
  | { readonly kind: 'environment'; readonly variables: EnvironmentVariables }
  /** One proxy for everything. */
  | { readonly kind: 'fixed'; readonly url: string }
  /** A PAC file: a path, or an http, https or file URL. */
  | { readonly kind: 'pac'; readonly source: string };

/** One way to go, of those to be tried in order. */
export type Route = { readonly kind: 'direct' } | { readonly kind: 'proxy'; readonly proxy: ProxyServer };

/** What the route depends on. */
export interface RouteTarget {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** Chooses the routes to a target, best first, at least one, at most `routesMax`. @throws {ProxyConfigError}; `signal.reason`. */
export type RouteChooser = (target: RouteTarget, options?: WaitOptions) => Promise<readonly Route[]>;

export const routesMax = 8;

export interface RouteOptions {
  readonly proxy: ProxySetting;
  /** A file whose first line is `user:password` or `DOMAIN\user:password`, for proxies whose URL has none. Read once. */
  readonly credentialsFile?: string;
}

/** @throws {ProxyConfigError} at once where the setting cannot be used whatever the target. */
export function createRouteChooser(options: RouteOptions, dependencies: PacDependencies): RouteChooser {
  const credentials = options.credentialsFile === undefined ? null : readCredentials(options.credentialsFile);
  const { proxy: setting } = options;
  switch (setting.kind) {
    case 'none':
      return async () => [{ kind: 'direct' }];
    case 'fixed': {
      const proxy = parseProxyUrl(setting.url, credentials);
      return async () => [{ kind: 'proxy', proxy }];
    }
    case 'environment':
      return async (target) => {
        const proxy = proxyFromEnvironment(setting.variables, target, credentials);
        return [proxy === null ? { kind: 'direct' } : { kind: 'proxy', proxy }];
      };
    case 'pac':
      return choosePac(createPacRunner(setting.source, dependencies), credentials);
  }
}

function choosePac(runner: PacRunner, credentials: Credentials | null): RouteChooser {
  return async (target, options = {}) => {
    const text = await runner.findProxy(target, options);
    return parsePacResult(text, credentials);
  };
}

/**
 * The routes of a PAC file's answer: `PROXY a:1; HTTPS b:2; DIRECT`. What is no CONNECT proxy (SOCKS) is passed over; an empty
 * answer means direct.
 * @throws {ProxyConfigError} when it names only what cannot be used.
 */
export function parsePacResult(text: string, credentials: Credentials | null = null): readonly Route[] {
  const entries = text
    .split(';')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.length === 0) return [{ kind: 'direct' }];
  const routes = entries.flatMap((entry): Route[] => {
    const [keyword = '', place = ''] = entry.split(/\s+/);
    switch (keyword.toUpperCase()) {
      case 'DIRECT':
        return [{ kind: 'direct' }];
      case 'PROXY':
      case 'HTTP':
        return [{ kind: 'proxy', proxy: parseProxyUrl(`http://${place}`, credentials) }];
      case 'HTTPS':
        return [{ kind: 'proxy', proxy: parseProxyUrl(`https://${place}`, credentials) }];
      default:
        return [];
    }
  });
  if (routes.length === 0)
    throw new ProxyConfigError('the PAC file names only proxies of kinds that are not spoken here');
  return routes.slice(0, routesMax);
}

function readCredentials(path: string): Credentials {
  try {
    return parseCredentials(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof ProxyConfigError) throw cause;
    throw new ProxyConfigError(`the proxy credentials file ${path} cannot be read (${errorCode(cause)})`);
  }
}
