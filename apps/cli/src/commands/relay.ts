import { resolve } from 'node:path';
import { dataDirectory, type NodeConfigInput, readPeerList } from '@pulsemesh/node';
import { type Command, Option } from 'commander';
import { type Output, UsageError } from '../output.ts';
import { parsePort, parseSeconds } from '../parse.ts';
import { type KeyStoreChoice, keystoreOption } from './identity/place.ts';

interface RelayFlags {
  readonly port: number;
  readonly host: string;
  readonly data?: string;
  readonly engine?: string;
  readonly unsafeDurability?: true;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly allow?: string;
  readonly open?: true;
  readonly drain: number;
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly keystore?: KeyStoreChoice;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
  readonly logFile?: string;
}

/** `pulsemesh relay`: the messaging server alone. */
export function addRelay(program: Command, output: Output, setExitCode: (code: number) => void): void {
  program
    .command('relay')
    .summary('run a messaging server that agents behind firewalls reach over whatever passes')
    .description(
      'Runs a messaging server in this process until SIGTERM or Ctrl-C; then its agents are let go in good order.\n' +
        'The first line on standard output is JSON: {"listening": URL, "peerId": ID}. Agents are given both.',
    )
    .option('--port <port>', 'where to listen; 0 takes a free one', parsePort, 8443)
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--data <directory>', 'where the relay keeps its key and its mailboxes')
    .option('--engine <url>', 'postgres://… or nats://…: mailboxes that several relays share (default: in --data)')
    .option('--unsafe-durability', 'take an --engine that may lose in a power cut what it acknowledged')
    .option('--tls-cert <file>', 'certificate chain (PEM); read again when it changes')
    .option('--tls-key <file>', 'its key (PEM)')
    .option('--allow <file>', 'JSON list of the only peer ids that may use it')
    .option('--open', 'whoever reaches it may use it; on this machine’s own address that is so without')
    .option('--drain <seconds>', 'how long agents are given to go elsewhere', parseSeconds, 5)
    .option('--key-file <file>', 'the key that protects its identity (default: in the data directory)')
    .option('--passphrase-file <file>', 'a passphrase instead of the key file')
    .addOption(keystoreOption())
    .addOption(new Option('--log-level <level>').choices(['error', 'warn', 'info', 'debug', 'silent']).default('info'))
    .option('--log-file <file>', 'default: standard error')
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh relay --port 8443 --data /srv/pulsemesh/relay
  $ pulsemesh relay --host 0.0.0.0 --port 443 --data /srv/pulsemesh/relay \\
      --tls-cert /etc/pulsemesh/relay.crt --tls-key /etc/pulsemesh/relay.key

Who may use it: agents with a certificate of the identity authority in --data (\`pulsemesh authority --help\`), and those of --allow.

Without a certificate it speaks plaintext, for a terminating load balancer on the same machine: what agents send is
sealed all the same. docs/operations/relay.md says how to run it as a service.`,
    )
    .action(async (flags: RelayFlags) => {
      const config = relaySettings(flags);
      const { runRelay } = await import('@pulsemesh/node/process');
      const onListening = ({ url, peerId }: { readonly url: string; readonly peerId: string }) =>
        output.out(JSON.stringify({ listening: url, peerId }));
      setExitCode(await runRelay({ config, drainMs: flags.drain * 1000, onListening }));
    });
}

/** What the flags say, in the shape of a node's configuration. @throws {UsageError}; {ConfigError}. */
export function relaySettings(flags: RelayFlags): Omit<NodeConfigInput, 'roles'> {
  const { port, host, engine, tlsCert, tlsKey, allow, keyFile, passphraseFile, keystore, logLevel, logFile } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new UsageError('--tls-cert and --tls-key go together');
  const tls =
    tlsCert === undefined || tlsKey === undefined ? null : { certFile: resolve(tlsCert), keyFile: resolve(tlsKey) };
  return {
    name: 'relay',
    dataDirectory: resolve(flags.data ?? `${dataDirectory()}/nodes/relay`),
    relay: {
      host,
      port,
      ...(flags.open === undefined ? {} : { open: true }),
      ...(engine === undefined ? {} : { engine }),
      ...(flags.unsafeDurability === undefined ? {} : { unsafeDurability: true }),
      ...(tls === null ? {} : { tls }),
    },
    ...(allow === undefined ? {} : { allow: [...readPeerList('--allow', allow)] }),
    ...(keyFile === undefined ? {} : { keyFile: resolve(keyFile) }),
    ...(passphraseFile === undefined ? {} : { passphraseFile: resolve(passphraseFile) }),
    ...(keystore === undefined ? {} : { keystore }),
    log: { level: logLevel, ...(logFile === undefined ? {} : { file: resolve(logFile) }) },
  };
}
