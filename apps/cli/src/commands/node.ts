import { resolve } from 'node:path';
import {
  dataDirectory,
  describeEpsilon,
  type LedgerChoice,
  type NodeConfigInput,
  readNodeConfig,
  readNodeSecrets,
  readPeerList,
} from '@pulsemesh/node';
import { type Command, Option } from 'commander';
import { UsageError } from '../output.ts';
import { parseEpsilon, parseList, parsePort } from '../parse.ts';

interface NodeFlags {
  readonly config?: string;
  readonly name?: string;
  readonly roles?: readonly string[];
  readonly listen?: readonly string[];
  readonly bootstrap?: readonly string[];
  readonly data?: string;
  readonly trust?: string;
  readonly allow?: string;
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly pubsub?: 'upsycle' | 'gossipsub';
  readonly epsilon?: number;
  readonly mqttPort?: number;
  readonly httpPort?: number;
  readonly web?: string;
  readonly relayPort?: number;
  readonly smtp?: string;
  readonly mailFrom?: string;
  readonly pageUrl?: string;
  readonly ledger?: string;
  readonly chain?: readonly string[];
  readonly logLevel?: 'error' | 'warn' | 'info' | 'debug';
  readonly logFile?: string;
}

const roles =
  'bootstrap, ingest, storage, aggregation, prediction, notification, gateway, relay, board, ledger, custodian, research';

const examples = `
Examples:
  $ pulsemesh node --roles bootstrap --listen /ip4/0.0.0.0/tcp/4001 --data /srv/pulsemesh/boot
  $ pulsemesh node --roles storage,prediction --data /srv/pulsemesh/a --trust trust.json \\
      --bootstrap /ip4/10.0.0.5/tcp/4001/p2p/12D3Koo…
  $ pulsemesh node --config /etc/pulsemesh/node.json

A node behind a firewall that lets nobody in says in its configuration file through which relays it takes part:
  { "firewalled": true, "relays": [{ "url": "https://relay.example", "peerId": "12D3Koo…", "proxy": "http://proxy:3128" }], … }

One that lies behind address translation can keep a place at libp2p circuit relays instead:
  { "nat": { "circuitRelay": "client", "relays": ["/ip4/203.0.113.7/tcp/4001/p2p/12D3Koo…"], "holePunching": true }, … }

The role board, and a witness of other boards, are set up there too (docs/operations/board.md):
  { "roles": ["board"], "board": { "port": 8480 }, … }    { "witness": { "boards": [{ "key": …, "url": … }] }, … }

Offices of consent (a home, a custodian, a researcher) are set up there as well (docs/operations/ledger.md):
  { "roles": ["gateway"], "consent": { "organisation": …, "ledger": { "kind": "chain", "descriptionFile": "/…/ledger.json" }, … }, … }

What a node reads is shown to others as a noisy filter, so that those who read the same find each other.
  ${describeEpsilon(3)}
  ${describeEpsilon(2)}

A node's peer id is in the line it writes when it is up; put the ids of your nodes into the trust file of each.`;

/** `pulsemesh node`: one node with the roles one chooses. */
export function addNode(program: Command, setExitCode: (code: number) => void): void {
  program
    .command('node')
    .summary('run one node with the roles of your choice')
    .description(
      'Runs one node in this process until SIGTERM or Ctrl-C. Writes one line of JSON to standard output when it is up\n' +
        '(peer id, addresses, ports, roles, process id), its log to standard error or a file.',
    )
    .option('--roles <list>', `comma separated: ${roles}`, parseList)
    .option('--listen <list>', 'multiaddrs to listen on (default: /ip4/127.0.0.1/tcp/0)', parseList)
    .option('--bootstrap <list>', 'multiaddrs of peers to join through, bootstraps or others', parseList)
    .option('--data <directory>', 'where the node keeps its identity and data')
    .option('--trust <file>', 'JSON list of the peer ids that get data and keys from this node (default: none)')
    .option('--allow <file>', 'JSON list of the only peer ids that may connect (default: anybody)')
    .option('--name <name>', 'what its operator calls it (default: its roles)')
    .option('--key-file <file>', 'the key that protects its identity (default: in the data directory)')
    .option('--passphrase-file <file>', 'a passphrase instead of the key file')
    .addOption(
      new Option(
        '--pubsub <name>',
        'what carries publish/subscribe; the same for all nodes (default: upsycle)',
      ).choices(['upsycle', 'gossipsub']),
    )
    .option(
      '--epsilon <number>',
      'how much strangers may learn of what this node reads, 0.25 … 20, less is more private (default: 3; see below)',
      parseEpsilon,
    )
    .option('--mqtt-port <port>', 'for the role ingest', parsePort)
    .option('--http-port <port>', 'for the role gateway', parsePort)
    .option('--web <directory>', 'for the role gateway: the built page (default: PULSEMESH_WEB)')
    .option('--relay-port <port>', 'for the role relay', parsePort)
    .option('--smtp <host:port>', 'for the role notification: the mail server')
    .option('--mail-from <address>', 'for the role notification: the sender')
    .option('--page-url <url>', 'for the role notification: address of the page that mails link to')
    .option('--ledger <file>', "where consents stand: the ledger's description, or board for none but the public board")
    .option(
      '--chain <urls>',
      'JSON-RPC addresses of that chain, best first, instead of those in its description',
      parseList,
    )
    .addOption(new Option('--log-level <level>', 'default: info').choices(['error', 'warn', 'info', 'debug']))
    .option('--log-file <file>', 'default: standard error')
    .option('--config <file>', 'a JSON file with any of this; flags win over it')
    .addHelpText('after', examples)
    .action(async (flags: NodeFlags) => {
      const config = readNodeConfig(flags.config ?? null, process.env, settingsOf(flags), ledgerOf(flags));
      const { runNode } = await import('@pulsemesh/node/process');
      setExitCode(await runNode(config, readNodeSecrets(config), false));
    });
}

/** Which ledger the flags name; null: as the file says. */
export function ledgerOf({ ledger, chain }: Pick<NodeFlags, 'ledger' | 'chain'>): LedgerChoice | null {
  if (ledger === 'board') {
    if (chain !== undefined) throw new UsageError('--ledger board and --chain do not go together');
    return { kind: 'board' };
  }
  if (ledger === undefined && chain === undefined) return null;
  return {
    kind: 'chain',
    ...(ledger === undefined ? {} : { descriptionFile: resolve(ledger) }),
    ...(chain === undefined ? {} : { urls: chain }),
  };
}

/** What the flags say, in the shape of a configuration file. @throws {UsageError}; {ConfigError}. */
export function settingsOf(flags: NodeFlags): Partial<NodeConfigInput> {
  const names = flags.roles;
  const name = flags.name ?? (flags.config === undefined ? names?.join('-') : undefined);
  const data = flags.data ?? (flags.config === undefined ? `${dataDirectory()}/nodes/${name ?? 'node'}` : undefined);
  const log = { ...given('level', flags.logLevel), ...given('file', absolute(flags.logFile)) };
  return {
    ...given('name', name),
    // The schema says which of these are no roles.
    ...given('roles', names as NodeConfigInput['roles'] | undefined),
    ...given('listen', flags.listen as string[] | undefined),
    ...given('bootstrap', flags.bootstrap as string[] | undefined),
    ...given('dataDirectory', absolute(data)),
    ...(flags.trust === undefined ? {} : { trust: [...readPeerList('--trust', flags.trust)] }),
    ...(flags.allow === undefined ? {} : { allow: [...readPeerList('--allow', flags.allow)] }),
    ...given('pubsub', flags.pubsub),
    ...(flags.epsilon === undefined ? {} : { overlay: { epsilon: flags.epsilon } }),
    ...given('keyFile', absolute(flags.keyFile)),
    ...given('passphraseFile', absolute(flags.passphraseFile)),
    ...(Object.keys(log).length === 0 ? {} : { log }),
    ...mqttOf(flags),
    ...httpOf(flags),
    ...smtpOf(flags),
    ...(flags.relayPort === undefined && !flags.roles?.includes('relay')
      ? {}
      : { relay: { ...given('port', flags.relayPort) } }),
  };
}

function mqttOf(flags: NodeFlags): Partial<NodeConfigInput> {
  if (flags.mqttPort === undefined && !flags.roles?.includes('ingest')) return {};
  return { mqtt: { ...given('port', flags.mqttPort) } };
}

function httpOf(flags: NodeFlags): Partial<NodeConfigInput> {
  if (flags.httpPort === undefined && !flags.roles?.includes('gateway')) return {};
  const webDirectory = absolute(flags.web ?? process.env['PULSEMESH_WEB']);
  return { http: { ...given('port', flags.httpPort), ...given('webDirectory', webDirectory) } };
}

function smtpOf({ smtp, mailFrom, pageUrl }: NodeFlags): Partial<NodeConfigInput> {
  if (smtp === undefined) return {};
  const match = /^(.+):(\d{1,5})$/.exec(smtp);
  if (match?.[1] === undefined) throw new UsageError('--smtp wants host:port');
  if (mailFrom === undefined || pageUrl === undefined) throw new UsageError('--smtp needs --mail-from and --page-url');
  const port = Number(match[2]);
  // 465 is TLS from the first byte (RFC 8314); the others upgrade.
  return { smtp: { host: match[1], port, isSecure: port === 465, from: mailFrom, pageUrl } };
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined || path === '' ? undefined : resolve(path);
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V }); // the one key that is given
}
