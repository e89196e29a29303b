import { type Clock, sleep, type WaitOptions } from '@pulsemesh/base';
import { codeHashOf, type Deployment, deployments } from '../contract/index.ts';
import { LedgerRefusedError, LedgerUnreachableError, LedgerWrongError } from '../grants/errors.ts';
import type { Hex } from '../offer/offer.ts';
import type { AccountSigner } from './accounts/local-signer.ts';
import { ChainAsker } from './reading/chain-answers.ts';
import { assertChain } from './reading/chain-view.ts';
import { type ChainDependencies, createProviderPool, type ProviderPool } from './rpc/provider-pool.ts';
import { refusalOfAnswer } from './sending/drafts.ts';
import { currentFees } from './sending/fees.ts';

export interface DeployContractsOptions {
  readonly urls: readonly string[];
  readonly chainId: number;
  /** Pays for it; has no rights over the contract afterwards: nobody has. */
  readonly signer: AccountSigner;
  /** Between two looks whether a transaction was sealed, milliseconds; default 1,000. */
  readonly confirmPollMs?: number;
  /** How long each may take to be sealed, milliseconds; default 180,000. */
  readonly confirmMsMax?: number;
}

/** Where the contracts are. */
export interface DeployedContracts {
  readonly chainId: number;
  readonly contract: Hex;
  /** To be configured beside the address. */
  readonly codeHash: Hex;
  readonly p256Verifier: Hex;
  readonly webAuthnVerifier: Hex;
  /** The block of the contract: events are read from it. */
  readonly fromBlock: bigint;
}

/**
 * Deploys the consent contract and the verifiers of passkeys and P-256 keys, and compares each with what this program was made with.
 * What was deployed before a failure stays on the chain unused.
 * @throws {LedgerWrongError} for another chain id, or other code than expected; {LedgerRefusedError}; {LedgerUnreachableError}.
 */
export async function deployContracts(
  options: DeployContractsOptions,
  dependencies: ChainDependencies,
  wait: WaitOptions = {},
): Promise<DeployedContracts> {
  const { urls, chainId } = options;
  const check = (ask: ConstructorParameters<typeof ChainAsker>[0], label: string) =>
    assertChain(new ChainAsker(ask, label), chainId);
  const pool = createProviderPool({ urls, check }, dependencies);
  const found = new Map<Deployment['name'], { readonly address: Hex; readonly at: bigint }>();
  for (const deployment of deployments) {
    try {
      found.set(deployment.name, await deploy(deployment, options, pool, dependencies.clock, wait));
    } catch (error) {
      // Paid for, and nowhere else to be found by its name.
      for (const [contract, { address }] of found)
        dependencies.logger.warn('deployed before the deployment failed', { contract, address });
      throw error;
    }
  }
  const contract = found.get('consentLedger');
  const codeHash = deployments.find(({ name }) => name === 'consentLedger')?.codeHash ?? '0x';
  return {
    chainId,
    contract: contract?.address ?? '0x',
    codeHash,
    p256Verifier: found.get('p256Verifier')?.address ?? '0x',
    webAuthnVerifier: found.get('webAuthnVerifier')?.address ?? '0x',
    fromBlock: contract?.at ?? 0n,
  };
}

async function deploy(
  { name, data, codeHash, gas }: Deployment,
  { signer, chainId, confirmPollMs = 1_000, confirmMsMax = 180_000 }: DeployContractsOptions,
  pool: ProviderPool,
  clock: Clock,
  wait: WaitOptions,
): Promise<{ readonly address: Hex; readonly at: bigint }> {
  const use = <T>(action: (asker: ChainAsker) => Promise<T>) =>
    pool.use((ask, label) => action(new ChainAsker(ask, label)), wait);
  const hash = await use(async (asker) => {
    const fees = await currentFees(asker);
    const nonce = await asker.nonceOf(signer.address, 'pending');
    const common = { chainId, data, nonce, gas };
    const raw = await signer.signTransaction(
      fees.isLegacy
        ? { ...common, type: 'legacy', gasPrice: fees.feePerGas }
        : { ...common, type: 'eip1559', maxFeePerGas: fees.feePerGas, maxPriorityFeePerGas: fees.tip },
    );
    return asker.send(raw);
  }).catch((error: unknown) => {
    throw refusalOfAnswer(error) ?? error;
  });
  const untilMs = clock.monotonicMs() + confirmMsMax;
  while (clock.monotonicMs() < untilMs) {
    const receipt = await use((asker) => asker.receipt(hash));
    if (receipt?.isSuccess === false) throw new LedgerRefusedError('deployment', `the chain does not take ${name}`);
    if (receipt?.contractAddress) {
      const address = receipt.contractAddress;
      const found = codeHashOf(name, await use((asker) => asker.codeAt(address)));
      if (found !== codeHash) throw new LedgerWrongError('code-hash', { expected: codeHash, found });
      return { address, at: receipt.at };
    }
    await sleep(clock, confirmPollMs, wait);
  }
  throw new LedgerUnreachableError(`the deployment of ${name} was sent and is not sealed yet (transaction ${hash})`, {
    facts: { transaction: hash },
  });
}
