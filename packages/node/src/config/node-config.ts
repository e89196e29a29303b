import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { errorMessage } from '@pulsemesh/base';
import type { RoleName } from '@pulsemesh/network';
import { z } from 'zod';
import { boardPageSchema } from './board-page-settings.ts';
import { boardServiceSchema, witnessSchema } from './board-settings.ts';
import { ConfigError } from './config-error.ts';
import { chainSchema, consentSchema, type LedgerChoice } from './consent-settings.ts';
import { natSchema, overlaySchema } from './network-settings.ts';
import { relayClientSchema, relayServiceSchema, relaysMax } from './relay-settings.ts';
import { Secret } from './secret.ts';

// Spelt out here, and compared by a test, because the supervisor reads configurations without loading the network.
const roles = [
  'bootstrap',
  'ingest',
  'storage',
  'aggregation',
  'prediction',
  'notification',
  'gateway',
  'relay',
  'board',
  'ledger',
  'custodian',
  'research',
] as const satisfies readonly RoleName[];

// Likewise: the keystores of @pulsemesh/identity, and the platform's customary one.
const keystores = ['auto', 'secret-service', 'systemd-creds', 'macos-keychain', 'windows-dpapi'] as const;

const configFileBytesMax = 256 * 1024;
const peersMax = 1_000;

const absolutePath = z.string().max(4_096).refine(isAbsolute, 'must be an absolute path');
const peerId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{40,64}$/, 'must be a peer id');
const lanName = z.union([z.cidrv4(), z.cidrv6(), z.string().regex(/^(?![\d.]+$)[\w.-]{1,64}$/)], {
  error: 'is neither the name of an interface nor a network like 192.0.2.0/24',
});
const multiaddr = z.string().max(512).startsWith('/');
const port = z.int().min(0).max(65_535);
const host = z.string().min(1).max(253);

const nodeConfigSchema = z.strictObject({
  /** What the operator calls this node; the `instance` label of its metrics. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 … 63 of a-z, 0-9 and -'),
  roles: z.array(z.enum(roles)).min(1).max(roles.length),
  /** Multiaddrs to listen on; port 0 takes a free one. Default: a free port of loopback; none behind a firewall. */
  listen: z.array(multiaddr).max(16).optional(),
  /** True: nobody can connect to it and it can connect to nobody, but for its relays. */
  firewalled: z.boolean().default(false),
  /** Relays through which it can be reached, and reaches those who are at the same ones. */
  relays: z.array(relayClientSchema).max(relaysMax).default([]),
  /** For the role relay. */
  relay: relayServiceSchema.optional(),
  /** For the role board. */
  board: boardServiceSchema.optional(),
  /** Boards whose checkpoints this node cosigns. */
  witness: witnessSchema.optional(),
  /** For the role ledger: the chain that this node runs for others. */
  chain: chainSchema.optional(),
  /** Which ledger it follows and which offices it runs; for the roles custodian and research, and the gateway of a home. */
  consent: consentSchema.optional(),
  /** Multiaddrs of peers to join through; ordinary peers are as good as bootstraps. */
  bootstrap: z.array(multiaddr).max(64).default([]),
  /** What carries publish/subscribe; the same for all nodes of a network. */
  pubsub: z.enum(['upsycle', 'gossipsub']).default('upsycle'),
  /** For `upsycle`; may differ between the nodes of a network. */
  overlay: overlaySchema.optional(),
  /** Ways past address translation, all off by default; not for a node that is firewalled. */
  nat: natSchema.optional(),
  /**
   * Finds nodes of the same local network by multicast: `announce` says hello there, `listen` only hears and dials. Default:
   * `announce` where others can dial it, as nodes that are always on do; `listen` where it listens nowhere, as on a person's
   * device; `off` behind a firewall, and where it listens on loopback only: what runs on one machine for itself does not
   * join the networks that the machine is on. Needs `upsycle`.
   */
  lan: z.enum(['announce', 'listen', 'off']).optional(),
  /** With `announce`: interfaces (`eth0`) and networks (`192.0.2.0/24`) where hellos are said; elsewhere it listens. Default: everywhere. */
  lanAnnounceOn: z.array(lanName).min(1).max(16).optional(),
  /** A file with 64 hex digits: the secret of a site whose nodes meet on local networks each other and nobody else. */
  lanSecretFile: absolutePath.optional(),
  dataDirectory: absolutePath,
  /** The peers that get data and keys from this one. Default: none. */
  trust: z.array(peerId).max(peersMax).default([]),
  /** When given, only these may connect at all. */
  allow: z.array(peerId).max(peersMax).optional(),
  /** Where the random key lies that protects the node's identity at rest; default in the data directory. */
  keyFile: absolutePath.optional(),
  /** Instead of a key file: a file with the passphrase. */
  passphraseFile: absolutePath.optional(),
  /** Instead of both: the platform's keystore; `auto` takes the customary one. */
  keystore: z.enum(keystores).optional(),
  log: z
    .strictObject({
      level: z.enum(['error', 'warn', 'info', 'debug', 'silent']).default('info'),
      /** Default: standard error. */
      file: absolutePath.optional(),
    })
    .default({ level: 'info' }),
  mqtt: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(1883),
      /** Readings a second that one wearer may send in the long run; default that of the ingest role. */
      readingsPerSecond: z.number().positive().max(100_000).optional(),
    })
    .optional(),
  smtp: z
    .strictObject({
      host,
      port,
      isSecure: z.boolean().default(false),
      user: z.string().max(256).optional(),
      passwordFile: absolutePath.optional(),
      from: z.string().max(320),
      /** Address of the page that mails link to. */
      pageUrl: z.url({ protocol: /^https?$/ }),
    })
    .optional(),
  http: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(8080),
      /** The built page; without it only the API is served. */
      webDirectory: absolutePath.optional(),
      /** Names under which browsers may ask for this server, beside localhost and the loopback addresses. */
      hostNames: z.array(host).max(16).default([]),
      inboxUrl: z.url({ protocol: /^https?$/ }).optional(),
      /** The board that the page shows; without, there are neither its pages nor its addresses. */
      board: boardPageSchema.optional(),
      replaySpeed: z.number().positive().max(1_000).optional(),
      /** When given, arrivals are written here so that a run can be measured. */
      arrivalsFile: absolutePath.optional(),
    })
    .optional(),
});

/** One node's settings, checked and frozen. Secrets are not in it: see {@link NodeSecrets}. */
export type NodeConfig = Omit<z.output<typeof nodeConfigSchema>, 'listen' | 'lan'> & {
  readonly listen: readonly string[];
  readonly lan: 'announce' | 'listen' | 'off';
};
/** What a configuration file may say. */
export type NodeConfigInput = z.input<typeof nodeConfigSchema>;

/** What must not be printed: read once from the files that the configuration names. */
export interface NodeSecrets {
  readonly passphrase: Secret | null;
  readonly smtpPassword: Secret | null;
  /** Hex, 64 digits. Absent: nodes of any site are met. */
  readonly lanSecret?: Secret | null;
}

/**
 * Checks unknown settings and freezes them.
 * @throws {ConfigError} naming the first setting that is wrong.
 */
export function parseNodeConfig(input: unknown): NodeConfig {
  const result = nodeConfigSchema.safeParse(input);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new ConfigError(issue?.path.map(String).join('.') || 'configuration', issue?.message ?? 'is not valid');
  }
  const { firewalled, listen = firewalled ? [] : ['/ip4/127.0.0.1/tcp/0'] } = result.data;
  const config: NodeConfig = { ...result.data, listen, lan: result.data.lan ?? customaryLan(result.data, listen) };
  assertRolesHaveTheirs(config);
  return deepFreeze(config);
}

/**
 * Merges a configuration file (JSON), the environment (`PULSEMESH_LOG_LEVEL`) and flags, the later winning. `ledger`: another one than
 * the file's; what the file says of a chain stays where the flags do not say it.
 * @throws {ConfigError}.
 */
export function readNodeConfig(
  file: string | null,
  env: Readonly<Record<string, string | undefined>>,
  flags: Partial<NodeConfigInput>,
  ledger: LedgerChoice | null = null,
): NodeConfig {
  const fromFile = file === null ? {} : readJsonFile(file);
  const level = env['PULSEMESH_LOG_LEVEL'];
  const merged: Record<string, unknown> = { ...fromFile, ...flags };
  if (flags.overlay !== undefined) merged['overlay'] = { ...asObject(fromFile['overlay']), ...flags.overlay };
  if (ledger !== null) merged['consent'] = withLedger(asObject(fromFile['consent']), ledger);
  return parseNodeConfig(level === undefined ? merged : { ...merged, log: { ...asObject(merged['log']), level } });
}

function withLedger(consent: Record<string, unknown>, ledger: LedgerChoice): Record<string, unknown> {
  const before = asObject(consent['ledger']);
  const isSameKind = before['kind'] === ledger.kind;
  // Another description takes the place of the file's own.
  const { description: _, descriptionFile: __, ...rest } = before;
  const kept = 'descriptionFile' in ledger ? rest : before;
  return { ...consent, ledger: isSameKind ? { ...kept, ...ledger } : ledger };
}

/** Reads the files that hold secrets. @throws {ConfigError} when one cannot be read or is empty. */
export function readNodeSecrets(config: NodeConfig): NodeSecrets {
  return Object.freeze({
    passphrase: readSecret('passphraseFile', config.passphraseFile),
    smtpPassword: readSecret('smtp.passwordFile', config.smtp?.passwordFile),
    lanSecret: readHexSecret('lanSecretFile', config.lanSecretFile),
  });
}

function readSecret(setting: string, file: string | undefined): Secret | null {
  if (file === undefined) return null;
  const text = readText(setting, file).replace(/\r?\n$/, '');
  if (text === '') throw new ConfigError(setting, 'the file is empty');
  return new Secret(text);
}

function readHexSecret(setting: string, file: string | undefined): Secret | null {
  const secret = readSecret(setting, file);
  if (secret !== null && !/^[0-9a-f]{64}$/.test(secret.reveal())) {
    throw new ConfigError(setting, 'the file must hold 64 digits of lower-case hex');
  }
  return secret;
}

/** Peer ids from a file: a JSON array, or `{"peers": [...]}`. @throws {ConfigError}. */
export function readPeerList(setting: string, file: string): readonly string[] {
  const parsed = parseJson(setting, readText(setting, file));
  const list = Array.isArray(parsed) ? parsed : asObject(parsed)['peers'];
  const result = z.array(peerId).max(peersMax).safeParse(list);
  if (!result.success) throw new ConfigError(setting, 'the file must hold a JSON list of peer ids');
  return result.data;
}

function readJsonFile(file: string): Record<string, unknown> {
  return asObject(parseJson('config', readText('config', file)));
}

function readText(setting: string, file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > configFileBytesMax) throw new ConfigError(setting, `longer than ${configFileBytesMax} bytes`);
    return text;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(setting, `cannot be read (${errorMessage(error)})`, error);
  }
}

function parseJson(setting: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(setting, 'is not JSON', error);
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function assertRolesHaveTheirs(config: NodeConfig): void {
  const needs: Partial<Record<RoleName, 'mqtt' | 'smtp' | 'http' | 'relay' | 'board' | 'chain'>> = {
    relay: 'relay',
    board: 'board',
    ingest: 'mqtt',
    notification: 'smtp',
    gateway: 'http',
    ledger: 'chain',
    research: 'http',
  };
  for (const role of config.roles) {
    const need = needs[role];
    if (need !== undefined && config[need] === undefined) {
      throw new ConfigError(need, `is needed by the role ${role}`);
    }
  }
  assertRelaysMakeSense(config);
  assertConsentMakesSense(config);
  assertNatMakesSense(config);
  if (config.overlay !== undefined && config.pubsub !== 'upsycle') {
    throw new ConfigError('overlay', `is of no use where pubsub is ${config.pubsub}`);
  }
  assertOneProtection(config);
  assertLanMakesSense(config);
}

function assertLanMakesSense({ lan, lanAnnounceOn, lanSecretFile, firewalled, pubsub }: NodeConfig): void {
  if (lan !== 'announce' && lanAnnounceOn !== undefined)
    throw new ConfigError('lanAnnounceOn', 'is for a node whose lan is announce');
  if (lan === 'off') {
    if (lanSecretFile !== undefined)
      throw new ConfigError('lanSecretFile', 'is for a node that looks for local networks');
    return;
  }
  if (firewalled) throw new ConfigError('lan', 'cannot be given to a node that is firewalled');
  if (pubsub !== 'upsycle') throw new ConfigError('lan', 'needs pubsub to be upsycle');
}

function customaryLan(
  { firewalled, pubsub }: Pick<NodeConfig, 'firewalled' | 'pubsub'>,
  listen: readonly string[],
): NodeConfig['lan'] {
  if (firewalled || pubsub !== 'upsycle') return 'off';
  if (listen.length === 0) return 'listen';
  return listen.every((address) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address)) ? 'off' : 'announce';
}

function assertOneProtection(config: NodeConfig): void {
  const [first, second] = (['keyFile', 'passphraseFile', 'keystore'] as const).filter(
    (setting) => config[setting] !== undefined,
  );
  if (first !== undefined && second !== undefined) {
    throw new ConfigError(first, `cannot be given together with ${second}`);
  }
}

function assertRelaysMakeSense({ firewalled, relays, listen, roles: own }: NodeConfig): void {
  if (firewalled && relays.length === 0) throw new ConfigError('relays', 'is needed by a node that is firewalled');
  if (firewalled && listen.length > 0) throw new ConfigError('listen', 'cannot be given to a node that is firewalled');
  if (firewalled && own.includes('relay')) throw new ConfigError('firewalled', 'a relay has to be reached by others');
  const repeated = relays.findIndex(({ peerId: id }, index) => relays.findIndex((one) => one.peerId === id) < index);
  if (repeated >= 0) throw new ConfigError(`relays.${repeated}.peerId`, 'is there twice');
}

function assertConsentMakesSense({ roles: own, consent, relays, smtp }: NodeConfig): void {
  for (const [role, office] of [
    ['custodian', 'custodian'],
    ['research', 'research'],
    ['gateway', 'home'],
  ] as const) {
    const isThere = consent?.[office] !== undefined;
    // A gateway without a home shows no consent; the others are nothing without.
    if (own.includes(role) && !isThere && role !== 'gateway') {
      throw new ConfigError(`consent.${office}`, `is needed by the role ${role}`);
    }
    if (!own.includes(role) && isThere)
      throw new ConfigError(`consent.${office}`, `is of use only to the role ${role}`);
  }
  if (own.includes('gateway') && own.includes('research')) {
    throw new ConfigError('roles', 'patients and researchers have each a node of their own');
  }
  if (consent === undefined) return;
  if (relays.length === 0)
    throw new ConfigError('relays', 'is needed by an office: it writes to others through a relay');
  if (consent.home !== undefined && consent.custodians.length < 2) {
    throw new ConfigError('consent.custodians', 'a home needs two: what one of them loses, the other still has');
  }
  if (consent.research?.notify === undefined) return;
  if (smtp === undefined)
    throw new ConfigError('smtp', 'is needed by consent.research.notify: mails go out through it');
  if (own.includes('notification')) {
    throw new ConfigError('consent.research.notify', 'is not for a node with the role notification: one outbox each');
  }
}

function assertNatMakesSense({ nat, firewalled, allow }: NodeConfig): void {
  if (nat === undefined) return;
  const { circuitRelay, relays, holePunching } = nat;
  if (firewalled) throw new ConfigError('nat', 'cannot be given to a node that is firewalled: it has `relays`');
  if (circuitRelay === 'client' && relays.length === 0) {
    throw new ConfigError('nat.relays', 'is needed where circuitRelay is client');
  }
  if (circuitRelay !== 'client' && relays.length > 0) {
    throw new ConfigError('nat.relays', 'is of use only where circuitRelay is client');
  }
  if (circuitRelay !== 'client' && holePunching) {
    throw new ConfigError('nat.holePunching', 'is of use only where circuitRelay is client');
  }
  if (circuitRelay === 'server' && allow === undefined) {
    throw new ConfigError('allow', 'is needed by a circuit relay, which otherwise carries for anybody, without limit');
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
