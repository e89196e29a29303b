import { accessSync, constants } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  createLogger,
  createPrometheusMeter,
  createSystemClock,
  createSystemRandom,
  errorMessage,
  silentLogger,
} from '@pulsemesh/base';
import { loadIdentity } from '@pulsemesh/identity';
import { dataDirectory } from '@pulsemesh/node';
import type { AgentNetwork, AgentUse, RunningAgent } from '@pulsemesh/node/relay';
import type { PeerId } from '@pulsemesh/wire';
import type { Command } from 'commander';
import { UsageError } from '../output.ts';
import { type PlaceFlags, placeOf } from './identity/place.ts';

/** The way out of the building, as a person says it. */
export interface NetworkFlags {
  readonly proxy?: string;
  readonly pac?: string;
  readonly proxyCredentials?: string;
  readonly ca?: readonly string[];
}

/** Adds them to a command. */
export function withNetworkFlags(command: Command): Command {
  return command
    .option('--proxy <url>', 'http://[user:password@]host:port (default: HTTPS_PROXY, ALL_PROXY and NO_PROXY)')
    .option('--pac <file or url>', 'a PAC file instead')
    .option('--proxy-credentials <file>', 'first line user:password, for a proxy whose URL has none')
    .option('--ca <file...>', 'further CA certificates to trust (PEM), such as that of an inspecting proxy');
}

/** The network that the flags describe. @throws {UsageError} for a file that cannot be read. */
export function networkOf(flags: NetworkFlags): AgentNetwork {
  for (const file of flags.ca ?? []) assertReadable('--ca', file);
  if (flags.proxyCredentials !== undefined) assertReadable('--proxy-credentials', flags.proxyCredentials);
  return {
    ...(flags.proxy === undefined ? {} : { proxy: { kind: 'fixed', url: flags.proxy } as const }),
    ...(flags.pac === undefined ? {} : { proxy: { kind: 'pac', source: flags.pac } as const }),
    ...(flags.proxyCredentials === undefined ? {} : { proxyCredentialsFile: flags.proxyCredentials }),
    ...(flags.ca === undefined ? {} : { trust: { caFiles: flags.ca } }),
  };
}

function assertReadable(flag: string, file: string): void {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new UsageError(`${flag}: cannot be read (${errorMessage(error)})`);
  }
}

/** What an agent's command works with. */
export function agentDependencies(isService: boolean) {
  return {
    clock: createSystemClock(),
    random: createSystemRandom(),
    // Whoever waits for the end of the command reads one sentence; a service is read in its log.
    logger: isService ? createLogger({ level: 'warn' }, process.stderr) : silentLogger,
    meter: createPrometheusMeter(),
  };
}

export interface StartedAgent {
  readonly agent: RunningAgent;
  /** The relay it enrolled at. */
  readonly relay: PeerId;
}

/**
 * Starts the agent that enrolled in the data directory of the flags; dispose `agent` to stop it.
 * @throws {NoTokenError} where none did; what `loadIdentity` and `startAgent` throw; {UsageError}.
 */
export async function startEnrolledAgent(
  flags: PlaceFlags & NetworkFlags,
  use: AgentUse,
  deps: ReturnType<typeof agentDependencies>,
): Promise<StartedAgent> {
  const { openEnrolment, openFreshIdentity, startAgent } = await import('@pulsemesh/node/relay');
  const network = networkOf(flags);
  const place = placeOf({ ...flags, data: flags.data ?? join(dataDirectory(), 'agent') });
  const data = dirname(place.options.file);
  // Only who publishes the card may replace the sealing key.
  const readIdentity = () => openFreshIdentity(place.options, place.deps);
  const known = await loadIdentity(place.options, place.deps);
  const identity = use === 'send' ? known : await readIdentity();
  const enrolment = await openEnrolment(data, identity, deps);
  const keeps = use === 'send' ? {} : { readIdentity };
  const agent = await startAgent({ dataDirectory: data, network, enrolment, use, ...keeps }, identity, deps);
  return { agent, relay: enrolment.relayPeer };
}
