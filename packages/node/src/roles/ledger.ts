import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Condition } from '@pulsemesh/base';
import { hkdfSha256 } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import { createLocalSigner, deployContracts } from '@pulsemesh/ledger';
import { type EmbeddedChain, startEmbeddedChain } from '@pulsemesh/ledger/embedded';
import type { Hex } from '../api/types.ts';
import { type ChainSettings, type LedgerDescription, ledgerDescriptionSchema } from '../config/consent-settings.ts';
import { ledgerKeyOf } from '../consent/ledger-account.ts';
import { readLedgerDescription } from '../consent/open-ledger.ts';
import { stopProcess } from '../process/fail-stop.ts';
import type { NodeContext, NodeDependencies, StartedRole } from '../process/node-context.ts';
import { writeFileDurably } from '../relay/write-file.ts';

/** Where a ledger node writes how others reach its chain, in its data directory. */
export function ledgerDescriptionFile(dataDirectory: string): string {
  return join(dataDirectory, 'ledger.json');
}

/** What the treasury has at first, whole units: more than anybody ever needs. */
const treasuryUnits = 10n ** 27n;
/** Of the chain's own, so that deploying does not wait for a second. */
const confirmPollMs = 100;

export interface ChainService extends AsyncDisposable {
  readonly chain: EmbeddedChain;
  readonly description: LedgerDescription;
  readonly port: number;
}

/**
 * Runs the embedded chain of a node, deploys the contract at the first start, and writes the description for others. The sealer's and the
 * treasury's keys are made of the node's identity. @throws as `startEmbeddedChain`; `deployContracts`.
 */
export async function startChainService(
  settings: ChainSettings,
  { dataDirectory, identity }: { readonly dataDirectory: string; readonly identity: Identity },
  deps: NodeDependencies,
): Promise<ChainService> {
  await using stack = new AsyncDisposableStack();
  const treasury = createLocalSigner(ledgerKeyOf(identity));
  const address = treasury.address.toLowerCase() as Hex; // as it prints
  const balances: Record<Hex, bigint> = { [address]: treasuryUnits };
  for (const { account, units } of settings.genesis) balances[account] = (balances[account] ?? 0n) + BigInt(units);
  const { chainId = ownChainId(identity), host, port } = settings;
  const chain = stack.use(
    await startEmbeddedChain(
      {
        directory: join(dataDirectory, 'chain'),
        sealer: { seed: sealerSeedOf(identity) },
        genesis: { treasury: address, balances },
        ...{ chainId, host, port },
      },
      deps,
    ),
  );
  const url = chain.url ?? '';
  const file = ledgerDescriptionFile(dataDirectory);
  const known = existsSync(file) ? readLedgerDescription(file) : null;
  if (known !== null) await assertHolds(chain, known.contract);
  const description = await describe({ ...settings, chainId }, file, known, url, treasury, deps);
  const rest = stack.move();
  return { chain, description, port: Number(new URL(url).port), [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** The role: a ledger for this network, with one sealer. */
export async function startLedgerRole({ config, deps, identity, stack }: NodeContext): Promise<StartedRole> {
  const { chain: settings, dataDirectory } = config;
  if (settings === undefined) throw new TypeError('a ledger without its settings'); // parseNodeConfig refuses it
  let isStopping = false;
  const service = stack.use(await startChainService(settings, { dataDirectory, identity }, deps));
  stack.defer(() => {
    isStopping = true;
  });
  void service.chain.ended.then(() => {
    // Whoever runs the node starts it again; a chain that ended by itself answers nobody.
    if (!isStopping) stopProcess(new Error('the chain ended'));
  });
  deps.logger.info('the ledger is up', { head: service.chain.head, contract: service.description.contract });
  return { ports: { chain: service.port } };
}

/** The description and the chain beside it are not of one time: one of them was lost, or put back. Not retryable. */
class ContractLostError extends Condition {
  override readonly name = 'ContractLostError';
  constructor(contract: string) {
    super(
      'contract-lost',
      'ledger.json names a contract that the chain beside it does not hold: put the folder chain back, or, to begin a new ledger, take ledger.json away',
      { facts: { contract } },
    );
  }
}

async function assertHolds(chain: EmbeddedChain, contract: Hex): Promise<void> {
  const code = await chain.request({ method: 'eth_getCode', params: [contract, 'latest'] });
  if (code === '0x') throw new ContractLostError(contract);
}

/** Of this node alone, as far as chance can make it; the same at each start. */
function ownChainId({ publicKey }: Identity): number {
  const bytes = hkdfSha256({ key: publicKey, info: 'pulsemesh/chain-id/1', length: 8 });
  return chainIdsFrom + (new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) % chainIdsFrom);
}

/** Above what public networks use, and within what wallets take. */
const chainIdsFrom = 2 ** 31;

/** The description as it was, at the address of today; the contract is deployed where there is none yet. */
async function describe(
  settings: ChainSettings & { readonly chainId: number },
  file: string,
  known: LedgerDescription | null,
  url: string,
  treasury: ReturnType<typeof createLocalSigner>,
  deps: NodeDependencies,
): Promise<LedgerDescription> {
  const { chainId, symbol, decimals } = settings;
  const urls = [settings.url ?? url];
  const today = { urls, chainId, isEmbedded: true, symbol, decimals };
  const description =
    known === null
      ? ledgerDescriptionSchema.parse({ ...today, ...(await deploy(url, chainId, treasury, deps)) })
      : { ...known, ...today };
  const text = `${JSON.stringify(description, null, 2)}\n`;
  // Where the contract is stands nowhere else: the file is left alone while it says what it should.
  if (known === null || readFileSync(file, 'utf8') !== text) writeFileDurably(file, text);
  return description;
}

async function deploy(
  url: string,
  chainId: number,
  signer: ReturnType<typeof createLocalSigner>,
  deps: NodeDependencies,
) {
  const found = await deployContracts({ urls: [url], chainId, signer, confirmPollMs }, deps);
  const { contract, codeHash, p256Verifier, webAuthnVerifier, fromBlock } = found;
  const verifiers = { p256: p256Verifier.toLowerCase(), webAuthn: webAuthnVerifier.toLowerCase() };
  return { contract: contract.toLowerCase(), codeHash, verifiers, fromBlock: Number(fromBlock) };
}

function sealerSeedOf({ nodeBoxKey }: Identity): Uint8Array {
  return hkdfSha256({ key: nodeBoxKey, info: 'pulsemesh/chain-sealer/1', length: 32 });
}
