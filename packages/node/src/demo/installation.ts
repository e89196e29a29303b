import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Random } from '@pulsemesh/base';
import { loadOrCreateIdentity } from '@pulsemesh/identity';
import { z } from 'zod';
import type { Hex } from '../api/types.ts';
import { ledgerAccountOf } from '../consent/ledger-account.ts';
import { accountMembers, demoPaths, helpers, learners, members, trustedMembers } from './layout.ts';
import { choosePorts, type MovedPort } from './ports.ts';

const stateSchema = z.object({
  /** Wall time of the first start: recordings are placed in time from here. */
  createdMs: z.number().min(0),
  ports: z.record(z.string(), z.int().min(1).max(65_535)),
  /** Accounts on the ledger by name of a node: kept, because making them takes libraries that a start does without. */
  accounts: z.record(z.string(), z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}$/)])).default({}),
});
type State = z.output<typeof stateSchema>;

/** A data directory made ready for the demo: identities, trust list and ports. */
export interface Installation {
  readonly createdMs: number;
  /** By name of a node; `gateway/http`, `ingest/mqtt`, `inbox/smtp` and `inbox/http` beside them. */
  readonly ports: Readonly<Record<string, number>>;
  readonly moved: readonly MovedPort[];
  /** Peer ids by name of a node. */
  readonly peerIds: Readonly<Record<string, string>>;
  /** Accounts on the ledger by name of a node. */
  readonly accounts: Readonly<Record<string, Hex>>;
  readonly isNew: boolean;
}

/** The names under which {@link Installation.ports} keeps ports that are no peer's. */
export const servicePorts = {
  http: 'gateway/http',
  mqtt: 'ingest/mqtt',
  smtp: `${helpers.inbox}/smtp`,
  inbox: `${helpers.inbox}/http`,
  relay: 'relay/https',
  board: 'board/https',
  proxy: `${helpers.proxy}/http`,
  research: 'research/http',
  chain: 'ledger/http',
} as const;

// Taken at the first start where they are free, because people know them.
const customaryPorts: Readonly<Record<string, number>> = { [servicePorts.http]: 8080, [servicePorts.mqtt]: 1883 };

/**
 * Makes or opens the demo's data directory: an identity per node, created up front so that each can be told whom to
 * trust; the trust list as a file; ports as they were where they are still free.
 * `httpPort`: where the page is wanted; 0 or absent: where it was.
 */
export async function openInstallation(
  dataDirectory: string,
  httpPort: number | undefined,
  deps: { readonly clock: Clock; readonly random: Random },
): Promise<Installation> {
  const paths = demoPaths(dataDirectory);
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  const known = readState(paths.state);
  const names = [...members.map((member) => member.name), ...Object.values(servicePorts)];
  const wanted: Record<string, number> = known === null ? { ...customaryPorts } : { ...known.ports };
  if (httpPort === 0 && known === null) {
    for (const name of Object.keys(customaryPorts)) delete wanted[name];
  } else if (httpPort !== undefined && httpPort !== 0) {
    wanted[servicePorts.http] = httpPort;
  }
  const { ports, moved } = await choosePorts(names, wanted);
  const peerIds: Record<string, string> = {};
  const accounts: Record<string, Hex> = {};
  for (const name of [...members.map((member) => member.name), ...learners]) {
    const options = { file: `${paths.node(name)}/identity.json`, keyFile: paths.keyFile(name) };
    makeDirectory(paths.node(name));
    makeDirectory(dirname(paths.keyFile(name)));
    const identity = await loadOrCreateIdentity(options, deps);
    peerIds[name] = identity.peerId;
    if (accountMembers.some((one) => one === name)) {
      accounts[name] = known?.accounts[name] ?? (await ledgerAccountOf(identity));
    }
  }
  const state: State = { createdMs: known?.createdMs ?? deps.clock.now(), ports: { ...ports }, accounts };
  writeFileAtomically(paths.state, JSON.stringify(state, null, 2));
  await ensureCertificates(paths, deps.clock.now());
  const trusted = trustedMembers.map(({ name }) => peerIds[name]);
  writeFileAtomically(paths.trust, JSON.stringify({ peers: trusted }, null, 2));
  return { createdMs: state.createdMs, ports, moved, peerIds, accounts, isNew: known === null };
}

/** The ports of the last start, or null where there was none. */
export function readPorts(dataDirectory: string): Readonly<Record<string, number>> | null {
  return readState(demoPaths(dataDirectory).state)?.ports ?? null;
}

/** Writes beside the file and renames, so that a crash leaves the old or the new one. */
export function writeFileAtomically(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}

const certificateDays = 365;
const renewBeforeMs = 30 * 86_400_000;

/** Makes the certificates of relay, proxy and board where they are missing or run out soon. */
async function ensureCertificates(paths: ReturnType<typeof demoPaths>, nowMs: number): Promise<void> {
  for (const owner of ['relay', 'proxy', 'board'] as const) {
    const file = paths.certificate(owner, 'cert');
    if (existsSync(file) && new X509Certificate(readFileSync(file)).validToDate.getTime() - nowMs > renewBeforeMs)
      continue;
    // Loaded only when needed: it is the heaviest part of a start.
    const { makeLoopbackCertificate } = await import('./certificates.ts');
    const made = await makeLoopbackCertificate(`Pulsemesh demo ${owner}`, nowMs, certificateDays);
    makeDirectory(dirname(file));
    writeFileAtomically(paths.certificate(owner, 'ca'), made.ca);
    writeFileAtomically(paths.certificate(owner, 'key'), made.key);
    writeFileAtomically(file, made.cert);
  }
}

function readState(file: string): State | null {
  try {
    const parsed = stateSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function makeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}
