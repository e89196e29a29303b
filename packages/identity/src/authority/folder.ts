import { join } from 'node:path';
import { startTicker } from '@pulsemesh/base';
import { lockDirectory, openLmdbTables, type TableStore } from '@pulsemesh/store';
import { decodeCbor, encodeCbor, type PeerId, parsePeerId } from '@pulsemesh/wire';
import { isRelayUrl } from '../card.ts';
import { exactMap, integerOf } from '../fields.ts';
import { createSmallFile, readSmallFile } from '../files.ts';
import { loadIdentity, loadOrCreateIdentity } from '../load-or-create.ts';
import { identityFileNames } from '../own-files.ts';
import type { IdentityOptions } from '../protection.ts';
import { Authority, type AuthorityDependencies } from './authority.ts';
import { isDnsName, isIpv4, isOrganisation } from './certificate-names.ts';
import type { ServerNames } from './der.ts';
import { AuthorityFolderError, AuthorityRefusedError } from './errors.ts';
import { createRoot, type Issuer, openIssuer } from './issuer.ts';
import { authorityLimits } from './limits.ts';

/** What the files of an authority are called in its folder. */
export const authorityFileNames = {
  settings: 'authority.settings',
  /** What an operator shows over HTTP. */
  operatorToken: 'operator-token',
  /** Where the running authority answers, for commands on the same machine. */
  door: 'door.json',
  tables: 'tables',
} as const;

const settingsBytesMax = 65_536;
const namesMax = 64;
const sweepPeriodMs = 3_600_000;

/** What an authority was made with. */
export interface AuthoritySettings {
  readonly organisation: string;
  /** What tokens tell agents to connect to; null: where the relay says that it listens. */
  readonly relayUrl: string | null;
  readonly relayPeer: PeerId;
  /** The root, DER. */
  readonly root: Uint8Array;
}

export interface AuthorityFolderOptions {
  readonly directory: string;
  /** Default: a key file in the folder. */
  readonly protection?: IdentityOptions;
}

export interface NewAuthority extends Omit<AuthoritySettings, 'root'> {
  /** What its root may sign TLS certificates for, beside localhost and 127.0.0.1. */
  readonly names?: ServerNames;
}

/**
 * Makes an authority in a folder: a key like any identity's, a root, no agents.
 * @throws {AuthorityFolderError} `authority-exists`; {AuthorityRefusedError} `malformed` for names that cannot be; those of identities.
 */
export async function createAuthorityFolder(
  options: AuthorityFolderOptions,
  facts: NewAuthority,
  dependencies: AuthorityDependencies,
): Promise<AuthoritySettings> {
  const { directory } = options;
  const { organisation, relayUrl, relayPeer, names = { dns: [], ip: [] } } = facts;
  const isFit =
    isOrganisation(organisation) &&
    (relayUrl === null || isRelayUrl(relayUrl)) &&
    names.dns.every(isDnsName) &&
    names.ip.every(isIpv4);
  if (!isFit || names.dns.length + names.ip.length > namesMax) throw new AuthorityRefusedError('malformed');
  if ((await readSettingsBytes(directory)) !== null) throw new AuthorityFolderError('authority-exists', directory);
  const identity = await loadOrCreateIdentity(protectionOf(options), dependencies);
  const allNames = { dns: ['localhost', ...names.dns], ip: ['127.0.0.1', ...names.ip] };
  const root = await createRoot(identity, { organisation, names: allNames }, dependencies);
  const settings = { organisation, relayUrl, relayPeer, root };
  const bytes = encodeCbor({ v: 1, ...settings });
  if (!(await createSmallFile(settingsFile(directory), bytes, dependencies)))
    throw new AuthorityFolderError('authority-exists', directory);
  return settings;
}

/** An authority that is open. */
export interface AuthorityFolder extends AsyncDisposable {
  readonly authority: Authority;
  readonly settings: AuthoritySettings;
  readonly issuer: Issuer;
  /** Its tables, for the uses of invitations. */
  readonly store: TableStore;
}

/** The settings of the authority in a folder, or null where there is none. @throws {AuthorityFolderError}; {IdentityFileError}. */
export async function readAuthoritySettings(directory: string): Promise<AuthoritySettings | null> {
  const bytes = await readSettingsBytes(directory);
  if (bytes === null) return null;
  try {
    const map = exactMap(decodeCbor(bytes), ['v', 'organisation', 'relayUrl', 'relayPeer', 'root']);
    integerOf(map['v'], 1, 1);
    const { organisation, relayUrl, relayPeer, root } = map;
    if (!isOrganisation(organisation) || typeof relayPeer !== 'string') throw new TypeError('text');
    if (relayUrl !== null && (typeof relayUrl !== 'string' || !isRelayUrl(relayUrl))) throw new TypeError('url');
    if (!(root instanceof Uint8Array) || root.length > authorityLimits.certificateBytesMax) throw new TypeError('root');
    return { organisation, relayUrl, relayPeer: parsePeerId(relayPeer), root };
  } catch (error) {
    throw new AuthorityFolderError('authority-damaged', directory, error);
  }
}

/**
 * Opens an authority for this process alone; dispose it to close it.
 * @throws {AuthorityFolderError} `authority-missing`; {StoreInUseError} while another process has it open; those of identities and stores.
 */
export async function openAuthorityFolder(
  options: AuthorityFolderOptions,
  dependencies: AuthorityDependencies,
): Promise<AuthorityFolder> {
  const { directory } = options;
  const settings = await readAuthoritySettings(directory);
  if (settings === null) throw new AuthorityFolderError('authority-missing', directory);
  await using stack = new AsyncDisposableStack();
  // Two that write do not see each other's changes: one would let in whom the other revoked.
  stack.use(lockDirectory(directory));
  const identity = await loadIdentity(protectionOf(options), dependencies);
  const issuer = await openIssuer(identity, settings.root, dependencies);
  const store = stack.use(
    await openLmdbTables({ directory: join(directory, authorityFileNames.tables) }, dependencies),
  );
  const authority = new Authority({ store, issuer }, dependencies);
  const ticker = startTicker(
    dependencies.clock,
    sweepPeriodMs,
    () => authority.sweep(),
    () => dependencies.logger.warn('the authority could not tidy up'),
  );
  stack.defer(() => ticker.stop());
  const rest = stack.move();
  return { authority, settings, issuer, store, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

function protectionOf({ directory, protection }: AuthorityFolderOptions): IdentityOptions {
  const { identity, keyFile } = identityFileNames;
  return protection ?? { file: join(directory, identity), keyFile: join(directory, keyFile) };
}

function settingsFile(directory: string): string {
  return join(directory, authorityFileNames.settings);
}

function readSettingsBytes(directory: string): Promise<Uint8Array | null> {
  return readSmallFile(settingsFile(directory), false, settingsBytesMax);
}
