import { silentLogger } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { startAnvil, testKeyOf } from '../testing/anvil.ts';
import { createLocalSigner } from './accounts/local-signer.ts';
import { testDependencies } from './chain-world.testing.ts';
import { deployContracts } from './deploy-contracts.ts';
import { FaultyProvider } from './faulty-provider.testing.ts';

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

  it('says what was paid for when it fails half-way, and what waits', async () => {
    await using anvil = await startAnvil();
    const signer = createLocalSigner(testKeyOf('operator'));
    await anvil.enrich(signer.address);
    let sent = 0;
    await using failing = await FaultyProvider.start(anvil.url, ({ method }) => {
      if (method === 'eth_sendRawTransaction') sent += 1;
      return sent > 1 ? { kind: 'error', code: -32_000, message: 'no more' } : null;
    });
    const warned: unknown[] = [];
    const logger = { ...silentLogger, warn: (_text: string, fields: unknown) => void warned.push(fields) };
    const options = { urls: [failing.url], chainId: anvil.chainId, signer, confirmPollMs: 10 };
    await expect(deployContracts(options, { ...testDependencies, logger })).rejects.toThrow();
    expect(warned).toEqual([{ contract: 'consentLedger', address: expect.stringMatching(/^0x[0-9a-f]{40}$/) }]);
    failing.fault = ({ method }) => (method === 'eth_getTransactionReceipt' ? { kind: 'result', result: null } : null);
    await expect(deployContracts({ ...options, confirmMsMax: 50 }, testDependencies)).rejects.toMatchObject({
      facts: { transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/) },
    });
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
