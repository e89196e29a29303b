import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { identityFileNames } from '@pulsemesh/identity';
import { createLocalSigner, deployContracts, type SendCoinsOptions, sendCoins } from '@pulsemesh/ledger';
import { makeDirectory } from '@pulsemesh/store';
import { ConfigError } from '../config/config-error.ts';
import { type LedgerDescription, ledgerDescriptionSchema } from '../config/consent-settings.ts';
import { type NodeConfigInput, parseNodeConfig, readNodeSecrets } from '../config/node-config.ts';
import { accessLogOrigin, ledgerAccountOf, ledgerKeyOf } from '../consent/ledger-account.ts';
import { ledgerDescriptionFile, startChainService } from '../roles/ledger.ts';
import { aborted, watchForStop } from './lifetime.ts';
import { loadNodeIdentity } from './node-identity.ts';
import { createNodeLogger, stopOnBugs } from './process-log.ts';

export interface RunLedgerOptions {
  /** As in a node's configuration; the role is `ledger`. */
  readonly config: Omit<NodeConfigInput, 'roles'>;
  /** Told once it answers: what others are to be given. */
  readonly onListening: (started: { readonly description: LedgerDescription; readonly file: string }) => void;
}

/**
 * Runs the embedded chain alone, without a network of peers, until SIGTERM or SIGINT. Resolves with the exit code: 0, or 1 where it failed.
 * @throws {ConfigError}; what `startChainService` throws.
 */
export async function runLedger({ config: input, onListening }: RunLedgerOptions): Promise<number> {
  const { config, deps, identity } = await openPlace(input);
  if (config.chain === undefined) throw new TypeError('a ledger without its settings'); // parseNodeConfig refuses it
  const stop = watchForStop(false);
  stopOnBugs(deps.logger);
  const { dataDirectory } = config;
  await using service = await startChainService(config.chain, { dataDirectory, identity }, deps);
  onListening({ description: service.description, file: ledgerDescriptionFile(dataDirectory) });
  deps.logger.info('ledger is up', { pid: process.pid });
  const hasFailed = await Promise.race([service.chain.ended.then(() => true), aborted(stop).then(() => false)]);
  return hasFailed ? 1 : 0;
}

export interface DeployLedgerOptions {
  /** As in a node's configuration: whose account pays. */
  readonly config: Omit<NodeConfigInput, 'roles'>;
  /** JSON-RPC addresses of the chain, best first. */
  readonly urls: readonly string[];
  readonly chainId: number;
  readonly symbol: string;
  readonly decimals: number;
}

function configErrorOf(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): ConfigError {
  return new ConfigError(issue?.path.map(String).join('.') ?? 'description', issue?.message ?? 'is not valid');
}

const namedShape = ledgerDescriptionSchema.pick({ urls: true, chainId: true, symbol: true, decimals: true });

/** Puts the consent contract on a chain, paid for by the account of the data directory's identity; gives what others are to be given. @throws {ConfigError}; as `deployContracts`. */
export async function deployLedger(options: DeployLedgerOptions): Promise<LedgerDescription> {
  const { urls, chainId, symbol, decimals } = options;
  // Before anything is paid for: afterwards a description that does not pass would lose where the contract is.
  const named = namedShape.safeParse({ urls, chainId, symbol, decimals });
  if (!named.success) throw configErrorOf(named.error.issues[0]);
  const { deps, identity } = await openPlace({ ...options.config, chain: { chainId } });
  const found = await deployContracts({ urls, chainId, signer: createLocalSigner(ledgerKeyOf(identity)) }, deps);
  return ledgerDescriptionSchema.parse({
    ...{ urls, chainId, symbol, decimals },
    contract: found.contract.toLowerCase(),
    codeHash: found.codeHash,
    verifiers: { p256: found.p256Verifier.toLowerCase(), webAuthn: found.webAuthnVerifier.toLowerCase() },
    fromBlock: Number(found.fromBlock),
  });
}

/** What others put into their settings of a node: who it is, its account on any ledger, and the key of its access log. */
export async function ledgerFacts(
  config: Omit<NodeConfigInput, 'roles'>,
): Promise<{ readonly peer: string; readonly account: string; readonly logKey: string }> {
  const { identity } = await openPlace({ ...config, chain: { chainId: 1 } });
  const { peerId, publicKey } = identity;
  const logKey = formatVerifierKey(createNoteVerifier(accessLogOrigin(peerId), publicKey, 'ed25519'));
  return { peer: peerId, account: await ledgerAccountOf(identity), logKey };
}

/** Sends coins from the account of the identity that lies in the data directory. @returns the transaction. @throws {ConfigError} where none does; as `sendCoins`. */
export async function fundAccount(
  config: Omit<NodeConfigInput, 'roles'>,
  gift: Omit<SendCoinsOptions, 'signer'>,
): Promise<string> {
  // A new identity holds nothing to give: the place is mistyped.
  if (!existsSync(join(config.dataDirectory, identityFileNames.identity)))
    throw new ConfigError('dataDirectory', `no identity lies in ${config.dataDirectory}`);
  const { deps, identity } = await openPlace({ ...config, chain: { chainId: gift.chainId } });
  return sendCoins({ ...gift, signer: createLocalSigner(ledgerKeyOf(identity)) }, deps);
}

async function openPlace(input: Omit<NodeConfigInput, 'roles'>) {
  const config = parseNodeConfig({ ...input, roles: ['ledger'] });
  makeDirectory(config.dataDirectory);
  const logger = createNodeLogger(config);
  const meter = createPrometheusMeter({ role: 'ledger', instance: config.name });
  const deps = { clock: createSystemClock(), random: createSystemRandom(), logger, meter };
  return { config, deps, identity: await loadNodeIdentity(config, readNodeSecrets(config), deps) };
}
