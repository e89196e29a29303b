import { existsSync } from 'node:fs';
import { join } from 'node:path';
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
import { writeFileAtomically } from '../relay/write-file.ts';

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
  const { chainId, host, port } = settings;
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
  const description = await describe(settings, ledgerDescriptionFile(dataDirectory), url, treasury, deps);
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

/** The description as it was, at the address of today; the contract is deployed where there is none yet. */
async function describe(
  settings: ChainSettings,
  file: string,
  url: string,
  treasury: ReturnType<typeof createLocalSigner>,
  deps: NodeDependencies,
): Promise<LedgerDescription> {
  const { chainId, symbol, decimals } = settings;
  const urls = [settings.url ?? url];
  const today = { urls, chainId, isEmbedded: true, symbol, decimals };
  const known = existsSync(file) ? readLedgerDescription(file) : null;
  const description =
    known === null
      ? ledgerDescriptionSchema.parse({ ...today, ...(await deploy(url, chainId, treasury, deps)) })
      : { ...known, ...today };
  writeFileAtomically(file, `${JSON.stringify(description, null, 2)}\n`);
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
