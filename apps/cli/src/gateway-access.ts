import { readFileSync } from 'node:fs';
import { errorMessage } from '@pulsemesh/base';
import { ApiClient, ConfigError, dataDirectory, readDemoGateway } from '@pulsemesh/node';
import type { Command } from 'commander';
import { UsageError } from './output.ts';

/** The options by which a command finds the gateway. */
export interface GatewayFlags {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly data?: string;
}

/** Adds them to a command. */
export function withGatewayFlags(command: Command): Command {
  return command
    .option('--url <url>', 'address of the gateway, e.g. http://ward-7:8080 (default: the network started here)')
    .option('--token-file <file>', "file with the gateway's access token")
    .option('--data <directory>', 'data directory of the network started here');
}

/**
 * The gateway that the flags name, or the one of the network on this machine (`ofDemo`: another of its nodes with an API).
 * @throws {UsageError}; {ConfigError}.
 */
export function connectGateway(flags: GatewayFlags, ofDemo: typeof readDemoGateway = readDemoGateway): ApiClient {
  if (flags.url !== undefined) {
    if (flags.tokenFile === undefined) throw new UsageError('--url needs --token-file');
    return new ApiClient({ url: flags.url.replace(/\/+$/, ''), token: readTokenFile(flags.tokenFile) });
  }
  const found = ofDemo(flags.data ?? dataDirectory());
  if (found === null) {
    throw new UsageError('no network was ever started here; `pulsemesh start` starts one, --url names another');
  }
  return new ApiClient(found);
}

function readTokenFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigError('--token-file', `cannot be read (${errorMessage(error)})`, error);
  }
}
