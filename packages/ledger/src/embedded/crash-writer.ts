import { createSystemClock, silentLogger, silentMeter } from '@pulsemesh/base';
import { encodeFunctionData, keccak256, pad, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { consentLedgerAbi } from '../contract/consent-ledger.ts';
import { startEmbeddedChain } from './start-embedded-chain.ts';

// A process for the crash tests: eight accounts send for ever, one transaction after another; each number of an account, with its
// transaction's hash, is printed once it is acknowledged. Arguments: DIRECTORY, CHAIN ID, TREASURY, the contract they write to.

const [directory = '', chainId = '', treasury = '', contract = ''] = process.argv.slice(2);
const accounts = Array.from({ length: 8 }, (_, index) => privateKeyToAccount(keccak256(toHex(`crash ${index}`))));
const options = {
  directory,
  chainId: Number(chainId),
  sealer: { seed: new Uint8Array(32).fill(9) },
  genesis: { treasury: treasury as `0x${string}` }, // given by the test
  port: null,
  reserveBytes: 0,
};
const chain = await startEmbeddedChain(options, {
  clock: createSystemClock(),
  logger: silentLogger,
  meter: silentMeter,
});
await Promise.all(accounts.map(sendForEver));

async function sendForEver(account: (typeof accounts)[number], row: number): Promise<never> {
  const found = await chain.request({ method: 'eth_getTransactionCount', params: [account.address, 'latest'] });
  for (let nonce = Number(found); ; nonce += 1) {
    const entry = [pad(toHex(row)), pad(toHex(nonce))] as const;
    const data = encodeFunctionData({ abi: consentLedgerAbi, functionName: 'logAccess', args: entry });
    const shared = { chainId: Number(chainId), nonce, gas: 100_000n, maxFeePerGas: 0n } as const;
    const raw = await account.signTransaction({ ...shared, to: contract as `0x${string}`, data });
    const hash = await chain.request({ method: 'eth_sendRawTransaction', params: [raw] });
    process.stdout.write(`${row} ${nonce} ${String(hash)}\n`);
  }
}
