import {
  createPublicClient,
  createWalletClient,
  encodeFunctionData,
  http,
  keccak256,
  type PrivateKeyAccount,
  toHex,
  zeroAddress,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { consentLedgerAbi } from '../contract/consent-ledger.ts';
import { deployments } from '../contract/deploy.ts';
import { consentTypes, domainOf, purseOf } from '../contract/typed-data.ts';
import type { Hex, Offer } from '../offer/offer.ts';

/** Where purchases are to be made. */
export interface PurchaseLoadOptions {
  /** JSON-RPC over HTTP. */
  readonly url: string;
  readonly chainId: number;
  /** Private key of an account that has coins. */
  readonly bank: Hex;
  /** Transactions that are prepared. */
  readonly count: number;
  /** Institutions that buy; each sends its transactions one after another. */
  readonly buyers: number;
}

/** Signed purchases that only have to be sent, the same on every chain. */
export interface PurchaseLoad {
  readonly contract: Hex;
  /** One row a buyer, in the order of nonces. */
  readonly rows: readonly (readonly Hex[])[];
  /** Sends all, each row's next once its last has its receipt; resolves with the receipts' count of successes. */
  send(): Promise<number>;
}

const price = 1_000n;
const buyerKey = (index: number) => keccak256(toHex(`load buyer ${index}`));

/** Deploys the consent contract, gives the buyers coins and signs one purchase after another: load for measurements and crash tests. */
export async function preparePurchases(options: PurchaseLoadOptions): Promise<PurchaseLoad> {
  const { url, chainId, bank, count, buyers } = options;
  const transport = http(url, { timeout: 120_000, retryCount: 0 });
  const reader = createPublicClient({ transport, pollingInterval: 20 });
  const wallet = createWalletClient({ transport, account: privateKeyToAccount(bank) });
  const receiptOf = (hash: Hex) => reader.waitForTransactionReceipt({ hash, timeout: 120_000 });
  const [ledger] = deployments;
  if (ledger === undefined) throw new Error('nothing to deploy');
  const deployed = await receiptOf(await wallet.sendTransaction({ chain: null, data: ledger.data, gas: ledger.gas }));
  const contract = deployed.contractAddress;
  if (!contract) throw new Error('the contract was not deployed');
  const accounts = Array.from({ length: buyers }, (_, index) => privateKeyToAccount(buyerKey(index)));
  for (const { address } of accounts) {
    await receiptOf(await wallet.sendTransaction({ chain: null, to: address, value: 10n ** 19n }));
  }
  const rows = await Promise.all(
    accounts.map((buyer, row) => signRow({ chainId, contract }, buyer, Math.ceil((count - row) / buyers), row)),
  );
  return { contract, rows, send: () => sendRows(url, rows) };
}

async function signRow(
  { chainId, contract }: { readonly chainId: number; readonly contract: Hex },
  buyer: PrivateKeyAccount,
  count: number,
  row: number,
): Promise<Hex[]> {
  const signed: Hex[] = [];
  for (let nonce = 0; nonce < count; nonce += 1) {
    const name = `${row}.${nonce}`;
    const offer = someOffer(buyer.address, name);
    const args = [offer, await signOffer(offer, chainId, contract, name)] as const;
    const data = encodeFunctionData({ abi: consentLedgerAbi, functionName: 'purchase', args });
    const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 0n, gas: 150_000n } as const;
    signed.push(await buyer.signTransaction({ chainId, nonce, to: contract, data, value: price, ...fees }));
  }
  return signed;
}

const patientOf = (name: string) => privateKeyToAccount(keccak256(toHex(`load patient ${name}`)));

/** An offer from a patient of its own; custodian and arbiter are the buyer. */
export function someOffer(buyer: Hex, name: string): Offer {
  const patient = patientOf(name).address;
  return {
    patient,
    payee: purseOf(patient),
    buyer,
    custodian: buyer,
    arbiter: buyer,
    token: zeroAddress,
    price,
    validUntil: 4_000_000_000,
    deliverWithin: 86_400,
    accessFor: 86_400,
    terms: keccak256(toHex(`terms ${name}`)),
    nonce: keccak256(toHex(`nonce ${name}`)),
  };
}

/** The patient's signature over what {@link someOffer} gave under the same name. */
export function signOffer(offer: Offer, chainId: number, contract: Hex, name: string): Promise<Hex> {
  const domain = domainOf(chainId, contract);
  return patientOf(name).signTypedData({ domain, types: consentTypes, primaryType: 'Offer', message: offer });
}

async function sendRows(url: string, rows: readonly (readonly Hex[])[]): Promise<number> {
  const successes = await Promise.all(
    rows.map(async (row) => {
      let count = 0;
      for (const raw of row) {
        const hash = (await rpc(url, 'eth_sendRawTransaction', [raw])) as string;
        let receipt: unknown = null;
        while (receipt === null) receipt = await rpc(url, 'eth_getTransactionReceipt', [hash]);
        if ((receipt as { status: string }).status === '0x1') count += 1;
      }
      return count;
    }),
  );
  return successes.reduce((sum, count) => sum + count, 0);
}

async function rpc(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
  if (error !== undefined) throw new Error(error.message);
  return result;
}
