import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Clock, errorCode, type Logger, type WaitOptions, withTimeout } from '@pulsemesh/base';
import { ProxyConfigError } from './errors.ts';
import { evaluatePac } from './pac-sandbox.ts';
import type { RouteTarget } from './routes.ts';

/** Limits of PAC files. */
export const pacLimits = {
  /** Length of the file. Chromium takes 1 MiB. */
  fileBytesMax: 2 ** 20,
  /** Fetching it. */
  fetchMs: 10_000,
  /** How long a fetched file is used before it is asked for again. */
  keepMs: 600_000,
  /** Runs for one question: after each the names that were asked for are resolved and it runs again. */
  runsMax: 6,
  /** Names resolved for one question. */
  namesMax: 16,
  /** Resolving one name. */
  resolveMs: 3_000,
} as const;

export interface PacDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The IPv4 address of a name, null when it has none. Default: the system's resolver. */
  readonly resolve?: (name: string) => Promise<string | null>;
}

/** Asks a PAC file. */
export interface PacRunner {
  /** What FindProxyForURL answers. @throws {ProxyConfigError} when the file cannot be had or run; `signal.reason`. */
  findProxy(target: RouteTarget, options?: WaitOptions): Promise<string>;
}

/**
 * A PAC file, fetched without a proxy when first needed and kept for ten minutes. It runs in a sandbox with limits on steps and
 * memory; it sees the scheme, host and port of the target and never a path. Names it asks for are resolved between runs: the
 * function is run again from the start, so that it may be written as PAC files are, without waiting.
 */
export function createPacRunner(source: string, dependencies: PacDependencies): PacRunner {
  let kept: { readonly text: Promise<string>; readonly untilMs: number } | undefined;
  const load = () => {
    const nowMs = dependencies.clock.monotonicMs();
    if (kept === undefined || kept.untilMs <= nowMs) {
      const text = loadPac(source, dependencies.clock);
      const own = { text, untilMs: nowMs + pacLimits.keepMs };
      kept = own;
      text.catch(() => {
        if (kept === own) kept = undefined;
      });
    }
    return kept.text;
  };
  return {
    async findProxy(target, { signal } = {}) {
      const text = await load();
      const host = target.host.toLowerCase();
      const authority = isIP(host) === 6 ? `[${host}]` : host;
      const url = `${target.isTls ? 'https' : 'http'}://${authority}:${target.port}/`;
      return await runUntilResolved(text, url, host, dependencies, signal);
    },
  };
}

async function runUntilResolved(
  text: string,
  url: string,
  host: string,
  dependencies: PacDependencies,
  signal: AbortSignal | undefined,
): Promise<string> {
  const addresses = new Map<string, string | null>();
  const ownAddress = findOwnAddress();
  for (let run = 0; run < pacLimits.runsMax; run += 1) {
    signal?.throwIfAborted();
    const { answer, missing } = await evaluatePac(text, { url, host, addresses, ownAddress });
    if (missing.length === 0) return answer;
    if (addresses.size + missing.length > pacLimits.namesMax) break;
    await Promise.all(missing.map(async (name) => addresses.set(name, await resolveName(name, dependencies))));
  }
  throw new ProxyConfigError('the PAC file asks for ever more names');
}

async function resolveName(name: string, { clock, resolve }: PacDependencies): Promise<string | null> {
  try {
    return await withTimeout(clock, 'name', pacLimits.resolveMs, () => (resolve ?? resolveBySystem)(name));
  } catch {
    return null; // to a PAC file a name that cannot be resolved is null, whatever the reason
  }
}

async function resolveBySystem(name: string): Promise<string | null> {
  return (await lookup(name, { family: 4 })).address;
}

function findOwnAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find((one) => one.family === 'IPv4' && !one.internal)?.address ?? '127.0.0.1';
}

async function loadPac(source: string, clock: Clock): Promise<string> {
  const url = URL.canParse(source) && /^(https?|file):/i.test(source) ? new URL(source) : null;
  try {
    if (url === null || url.protocol === 'file:') return checkLength(await readFile(url ?? source));
    return await withTimeout(clock, 'PAC file', pacLimits.fetchMs, (signal) => fetchPac(url, signal));
  } catch (cause) {
    if (cause instanceof ProxyConfigError) throw cause;
    const where = url === null ? source : url.origin;
    throw new ProxyConfigError(`the PAC file of ${where} cannot be had (${errorCode(cause)})`);
  }
}

// Node's fetch goes direct unless told otherwise, which is what the file that names the proxy needs.
async function fetchPac(url: URL, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, redirect: 'error' });
  if (!response.ok) throw new ProxyConfigError(`the server of the PAC file answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > pacLimits.fileBytesMax) break;
    chunks.push(chunk);
  }
  return checkLength(Buffer.concat(chunks), bytes);
}

function checkLength(bytes: Buffer, length = bytes.length): string {
  if (length <= pacLimits.fileBytesMax) return bytes.toString('utf8');
  throw new ProxyConfigError(`the PAC file is longer than ${pacLimits.fileBytesMax} bytes`);
}
