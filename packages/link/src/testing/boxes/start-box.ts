import type { Clock } from '@pulsemesh/base';
import { createTestAuthority, type TestAuthority } from './certificates.ts';
import type { BoxTarget, HttpRules } from './http-context.ts';
import { startHttpStage } from './http-stage.ts';
import { type ProxyRules, type ProxyStage, startProxyStage } from './proxy-stage.ts';
import type { Place, Stage } from './stage.ts';
import { startTcpStage, type TcpRules } from './tcp-stage.ts';

/** What one box does; any combination. Without any rule it passes everything. */
export interface BoxRules {
  readonly tcp?: TcpRules;
  /** Present: the box opens TLS with its own authority and looks into HTTP. */
  readonly http?: HttpRules;
  /** Present: agents have to ask for a tunnel with CONNECT first. */
  readonly proxy?: ProxyRules;
}

export interface BoxOptions {
  readonly rules: BoxRules;
  readonly target: BoxTarget;
  /** Signs what an inspecting box shows; default a new one. */
  readonly authority?: TestAuthority;
  /** Names and addresses that certificate is for; default localhost, 127.0.0.1, ::1. */
  readonly names?: readonly string[];
  /** Given what an inspecting box sees inside TLS. */
  readonly tap?: (bytes: Uint8Array) => void;
}

/** A running middlebox on loopback. */
export interface Box extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Where agents connect instead of the server; null when they are to go through `proxyUrl`. */
  readonly direct: Place | null;
  /** `http://…` or `https://…`, without credentials; null when the box is no proxy. */
  readonly proxyUrl: string | null;
  /** The authority whose certificates an inspecting box shows; null when it does not inspect. */
  readonly authority: TestAuthority | null;
  /** What a proxy was asked for, in order. */
  readonly asked: readonly string[];
}

/**
 * Starts a middlebox in front of a server: a test double of a firewall, deterministic and up within milliseconds. The time its
 * rules speak of is the clock's. The caller ends it.
 */
export async function startBox(options: BoxOptions, dependencies: { readonly clock: Clock }): Promise<Box> {
  const { rules, target } = options;
  await using starting = new AsyncDisposableStack();
  let next: Place = target;
  const add = <T extends Stage>(stage: T): T => {
    starting.use(stage);
    next = { host: '127.0.0.1', port: stage.port };
    return stage;
  };
  let authority: TestAuthority | null = null;
  if (rules.http !== undefined) {
    authority = options.authority ?? createTestAuthority('Hospital Web Gateway');
    const { tap = () => {} } = options;
    const names = options.names ?? ['localhost', '127.0.0.1', '::1'];
    add(await startHttpStage(target, rules.http, authority, names, { ...dependencies, tap }));
  }
  // Bytes are judged as the agent sends them, so this stands in front of what inspects.
  if (rules.tcp !== undefined || rules.http === undefined) {
    add(await startTcpStage(next, rules.tcp ?? {}, dependencies));
  }
  const proxy: ProxyStage | null = rules.proxy === undefined ? null : add(await startProxyStage(next, rules.proxy));
  const running = starting.move();
  const scheme = rules.proxy?.certificate === undefined ? 'http' : 'https';
  return {
    host: next.host,
    port: next.port,
    direct: proxy === null ? next : null,
    proxyUrl: proxy === null ? null : `${scheme}://${next.host}:${next.port}`,
    authority,
    asked: proxy?.asked ?? [],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
