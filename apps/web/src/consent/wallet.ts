import { Condition } from '@pulsemesh/base/errors';
import type { Hex, TransactionView } from '@pulsemesh/node/api';

/** What a wallet offers a page (EIP-1193). */
export interface WalletProvider {
  request(ask: { readonly method: string; readonly params?: readonly unknown[] }): Promise<unknown>;
}

/** A wallet that announced itself (EIP-6963). */
export interface Wallet {
  readonly uuid: string;
  readonly name: string;
  /** Its reverse domain name: two wallets may use one name. */
  readonly rdns: string;
  readonly provider: WalletProvider;
}

/** The wallet did not do it; the text says what to do. `isDeclined`: the person said no. */
export class WalletError extends Condition {
  readonly isDeclined: boolean;
  constructor(text: string, options: { readonly isDeclined?: boolean; readonly cause?: unknown } = {}) {
    super('web.wallet', text, { cause: options.cause });
    this.name = 'WalletError';
    this.isDeclined = options.isDeclined ?? false;
  }
}

/** Wallets that are listed; a page full of announcements is no wallet's. */
const walletsMax = 16;
const nameCharsMax = 64;

/** Asks wallets to announce themselves, and tells of each, until the signal. */
export function findWallets(target: EventTarget, onFound: (wallets: readonly Wallet[]) => void, signal: AbortSignal) {
  const found = new Map<string, Wallet>();
  const take = (event: Event) => {
    const wallet = walletIn(event);
    if (wallet === null || found.has(wallet.uuid) || found.size >= walletsMax) return;
    found.set(wallet.uuid, wallet);
    onFound([...found.values()]);
  };
  target.addEventListener('eip6963:announceProvider', take, { signal });
  target.dispatchEvent(new Event('eip6963:requestProvider'));
}

/** An announcement comes from any script of the browser: its fields are checked. */
function walletIn(event: Event): Wallet | null {
  const { detail } = event as CustomEvent<unknown>;
  if (typeof detail !== 'object' || detail === null) return null;
  const { info, provider } = detail as { info?: unknown; provider?: unknown };
  if (typeof info !== 'object' || info === null || !isProvider(provider)) return null;
  const { uuid, name, rdns } = info as Record<string, unknown>;
  if (!isShort(uuid) || !isShort(name) || !isShort(rdns)) return null;
  return { uuid, name, rdns, provider };
}

function isProvider(value: unknown): value is WalletProvider {
  return typeof value === 'object' && value !== null && 'request' in value && typeof value.request === 'function';
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= nameCharsMax;
}

/** Its first account, lower case, after asking the person. @throws {WalletError} */
export async function accountOf(wallet: Wallet): Promise<Hex> {
  const accounts = await call(wallet, 'eth_requestAccounts', []);
  const first: unknown = Array.isArray(accounts) ? accounts[0] : null;
  if (typeof first !== 'string' || !/^0x[0-9a-f]{40}$/i.test(first)) {
    throw new WalletError('The wallet showed no account. Unlock it and try again.');
  }
  return first.toLowerCase() as Hex; // tested above
}

/** EIP-712 text, signed. @throws {WalletError} */
export async function signTyped(wallet: Wallet, account: Hex, typedData: string): Promise<Hex> {
  return hexOf(await call(wallet, 'eth_signTypedData_v4', [account, typedData]), 'signature');
}

/** Moves the wallet to the ledger's chain and sends. @returns the transaction's hash. @throws {WalletError} */
export async function sendTransaction(wallet: Wallet, account: Hex, transaction: TransactionView): Promise<Hex> {
  await moveToChain(wallet, transaction.chainId);
  const { to, data, value } = transaction;
  return hexOf(await call(wallet, 'eth_sendTransaction', [{ from: account, to, data, value }]), 'transaction');
}

async function moveToChain(wallet: Wallet, chainId: number): Promise<void> {
  const wanted = `0x${chainId.toString(16)}`;
  const now = await call(wallet, 'eth_chainId', []);
  if (typeof now === 'string' && Number(now) === chainId) return;
  try {
    await wallet.provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: wanted }] });
  } catch (error) {
    if (isDecline(error))
      throw new WalletError('The wallet was not moved to the ledger’s chain.', { isDeclined: true });
    throw new WalletError(
      `The wallet is on another chain. Add the chain with the id ${chainId} to it (the operator of this node knows its address), choose it, and try again.`,
      { cause: error },
    );
  }
}

/** Where a transaction is, as the wallet's own node tells it. */
export type TransactionState =
  | { readonly kind: 'pending' }
  /** Another one with the same number went through in its place: sped up or cancelled in the wallet. */
  | { readonly kind: 'replaced' }
  | { readonly kind: 'failed' }
  /** In a block; the ledger may still take the block back. */
  | { readonly kind: 'sealed'; readonly block: bigint }
  /** Neither known nor replaced, which a node may say for a while. */
  | { readonly kind: 'unknown' };

/** Asks once. `nonce`: of the transaction, as it was seen before; null: never seen. @throws {WalletError} */
export async function lookForTransaction(
  wallet: Wallet,
  sent: { readonly account: Hex; readonly transaction: Hex; readonly nonce: bigint | null },
): Promise<{ readonly state: TransactionState; readonly nonce: bigint | null }> {
  const receipt = await call(wallet, 'eth_getTransactionReceipt', [sent.transaction]);
  const status = quantityIn(receipt, 'status');
  const block = quantityIn(receipt, 'blockNumber');
  if (status !== null && block !== null) {
    return { state: status === 1n ? { kind: 'sealed', block } : { kind: 'failed' }, nonce: sent.nonce };
  }
  const known = await call(wallet, 'eth_getTransactionByHash', [sent.transaction]);
  const nonce = quantityIn(known, 'nonce') ?? sent.nonce;
  if (known !== null && known !== undefined) return { state: { kind: 'pending' }, nonce };
  if (nonce === null) return { state: { kind: 'unknown' }, nonce };
  const count = quantityOf(await call(wallet, 'eth_getTransactionCount', [sent.account, 'latest']));
  return { state: { kind: count !== null && count > nonce ? 'replaced' : 'unknown' }, nonce };
}

function quantityIn(value: unknown, field: string): bigint | null {
  if (typeof value !== 'object' || value === null) return null;
  return quantityOf((value as Record<string, unknown>)[field]);
}

function quantityOf(value: unknown): bigint | null {
  return typeof value === 'string' && /^0x[0-9a-f]{1,64}$/i.test(value) ? BigInt(value) : null;
}

function hexOf(value: unknown, what: string): Hex {
  if (typeof value !== 'string' || !/^0x[0-9a-f]{2,20000}$/i.test(value)) {
    throw new WalletError(`The wallet gave no ${what}. Try again, or with another wallet.`);
  }
  return value.toLowerCase() as Hex; // tested above
}

async function call(wallet: Wallet, method: string, params: readonly unknown[]): Promise<unknown> {
  try {
    return await wallet.provider.request({ method, params });
  } catch (error) {
    if (isDecline(error))
      throw new WalletError('You declined it in the wallet. Nothing was sent.', { isDeclined: true });
    throw new WalletError(`The wallet could not do it: ${messageOf(error)}`, { cause: error });
  }
}

/** EIP-1193: the person said no. */
function isDecline(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 4001;
}

function messageOf(error: unknown): string {
  const message = typeof error === 'object' && error !== null && 'message' in error ? error.message : null;
  return typeof message === 'string' && message !== '' ? message.slice(0, 200) : 'it did not say why.';
}
