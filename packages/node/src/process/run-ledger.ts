import { Condition, createPrometheusMeter, createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { createLocalSigner, deployContracts } from '@pulsemesh/ledger';
import { makeDirectory } from '@pulsemesh/store';
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

/** Puts the consent contract on a chain, paid for by the account of the data directory's identity; gives what others are to be given. @throws as `deployContracts`. */
export async function deployLedger(options: DeployLedgerOptions): Promise<LedgerDescription> {
  const { deps, identity } = await openPlace({ ...options.config, chain: { chainId: options.chainId } });
  const { urls, chainId, symbol, decimals } = options;
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

/** Sends coins from the account of the data directory's identity. @returns the transaction. @throws what the chain answers. */
export async function fundAccount(
  config: Omit<NodeConfigInput, 'roles'>,
  { url, chainId, to, units }: { url: string; chainId: number; to: `0x${string}`; units: bigint },
): Promise<string> {
  const { identity } = await openPlace({ ...config, chain: { chainId } });
  const signer = createLocalSigner(ledgerKeyOf(identity));
  const nonce = Number(await ask(url, 'eth_getTransactionCount', [signer.address, 'pending']));
  const gasPrice = BigInt(String(await ask(url, 'eth_gasPrice', [])));
  const transaction = { type: 'legacy', chainId, nonce, to, value: units, gas: 21_000n, gasPrice } as const;
  return String(await ask(url, 'eth_sendRawTransaction', [await signer.signTransaction(transaction)]));
}

const answerMs = 15_000;

async function ask(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(answerMs),
  });
  const answer = (await response.json()) as { result?: unknown; error?: { message?: unknown } }; // of the operator's own chain
  if (answer.error !== undefined) throw new ChainSaysNoError(String(answer.error.message).slice(0, 300));
  return answer.result;
}

/** The chain refused. */
class ChainSaysNoError extends Condition {
  override readonly name = 'ChainSaysNoError';
  constructor(reason: string) {
    super('chain-refused', `the chain refuses: ${reason}`);
  }
}

async function openPlace(input: Omit<NodeConfigInput, 'roles'>) {
  const config = parseNodeConfig({ ...input, roles: ['ledger'] });
  makeDirectory(config.dataDirectory);
  const logger = createNodeLogger(config);
  const meter = createPrometheusMeter({ role: 'ledger', instance: config.name });
  const deps = { clock: createSystemClock(), random: createSystemRandom(), logger, meter };
  return { config, deps, identity: await loadNodeIdentity(config, readNodeSecrets(config), deps) };
}
