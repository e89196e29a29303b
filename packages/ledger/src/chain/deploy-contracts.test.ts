import { describe, expect, it } from 'vitest';
import { startAnvil, testKeyOf } from '../testing/anvil.ts';
import { createLocalSigner } from './accounts/local-signer.ts';
import { testDependencies } from './chain-world.testing.ts';
import { deployContracts } from './deploy-contracts.ts';

describe('deploying the contracts', () => {
  it('needs coins for gas, says so, and gives addresses with the code that was asked for', async () => {
    await using anvil = await startAnvil();
    const signer = createLocalSigner(testKeyOf('operator'));
    const options = { urls: [anvil.url], chainId: anvil.chainId, signer, confirmPollMs: 10 };
    await expect(deployContracts(options, testDependencies)).rejects.toMatchObject({ reason: 'insufficient-funds' });
    await anvil.enrich(signer.address);
    const deployed = await deployContracts(options, testDependencies);
    expect(deployed).toMatchObject({ chainId: anvil.chainId, fromBlock: 1n });
    expect(new Set([deployed.contract, deployed.p256Verifier, deployed.webAuthnVerifier]).size).toBe(3);
  });

  it('sends nothing to another chain', async () => {
    await using anvil = await startAnvil();
    const signer = createLocalSigner(testKeyOf('operator'));
    await anvil.enrich(signer.address);
    await expect(deployContracts({ urls: [anvil.url], chainId: 5, signer }, testDependencies)).rejects.toMatchObject({
      code: 'ledger-wrong',
    });
    expect(await anvil.ask('eth_blockNumber')).toBe('0x0');
  });
});
