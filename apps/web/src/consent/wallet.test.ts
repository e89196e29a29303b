import { describe, expect, it } from 'vitest';
import { accountOf, findWallets, lookForTransaction, sendTransaction, type Wallet, WalletError } from './wallet.ts';

const account = `0x${'ab'.repeat(20)}` as const;
const transaction = `0x${'cd'.repeat(32)}` as const;

function walletWith(answers: Readonly<Record<string, unknown>>): Wallet & { readonly asked: string[] } {
  const asked: string[] = [];
  const provider = {
    async request({ method }: { readonly method: string }) {
      asked.push(method);
      const answer = answers[method];
      if (answer instanceof Error) throw answer;
      return answer ?? null;
    },
  };
  return { uuid: 'u', name: 'Test', rdns: 'example.test', provider, asked };
}

const refusal = (code: number) => Object.assign(new Error('no'), { code });

describe('wallets of a browser', () => {
  it('are found by their announcements, each once, and only those of the right shape', () => {
    const target = new EventTarget();
    const abort = new AbortController();
    let found: readonly Wallet[] = [];
    findWallets(target, (wallets) => (found = wallets), abort.signal);
    const announce = (detail: unknown) => target.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }));
    const provider = { request: async () => null };
    const info = { uuid: 'u1', name: 'One', rdns: 'example.one' };
    announce({ info, provider });
    announce({ info, provider });
    for (const bad of [null, 'x', {}, { info, provider: {} }, { info: { ...info, name: 'x'.repeat(65) }, provider }]) {
      announce(bad);
    }
    for (let count = 0; count < 40; count += 1) announce({ info: { ...info, uuid: `many ${count}` }, provider });
    expect(found).toHaveLength(16);
    abort.abort();
  });

  it('show an account, or say what to do', async () => {
    const known = walletWith({ eth_requestAccounts: [account.toUpperCase().replace('0X', '0x')] });
    expect(await accountOf(known)).toBe(account);
    await expect(accountOf(walletWith({ eth_requestAccounts: [] }))).rejects.toThrow(/Unlock it/);
    const declined = accountOf(walletWith({ eth_requestAccounts: refusal(4_001) }));
    await expect(declined).rejects.toMatchObject({ isDeclined: true });
  });

  it('are moved to the ledger’s chain before they send, and say how where they do not know it', async () => {
    const view = { to: account, data: '0x', value: '0x1', chainId: 5 } as const;
    const there = walletWith({ eth_chainId: '0x5', eth_sendTransaction: transaction });
    expect(await sendTransaction(there, account, view)).toBe(transaction);
    expect(there.asked).toEqual(['eth_chainId', 'eth_sendTransaction']);
    const away = walletWith({ eth_chainId: '0x1', wallet_switchEthereumChain: refusal(4_902) });
    await expect(sendTransaction(away, account, view)).rejects.toThrow(/Add the chain with the id 5/);
    expect(away.asked).not.toContain('eth_sendTransaction');
    const odd = walletWith({ eth_chainId: '0x5', eth_sendTransaction: 'done' });
    await expect(sendTransaction(odd, account, view)).rejects.toThrow(WalletError);
  });

  it.each([
    ['pending', { eth_getTransactionByHash: { nonce: '0x3' } }, null, 'pending'],
    ['sealed', { eth_getTransactionReceipt: { status: '0x1', blockNumber: '0x9' } }, null, 'sealed'],
    ['failed', { eth_getTransactionReceipt: { status: '0x0', blockNumber: '0x9' } }, null, 'failed'],
    ['replaced', { eth_getTransactionCount: '0x4' }, 3n, 'replaced'],
    ['not seen any more', { eth_getTransactionCount: '0x3' }, 3n, 'unknown'],
    ['never seen', {}, null, 'unknown'],
  ] as const)('tell of a transaction that it is %s', async (_name, answers, nonce, kind) => {
    const { state } = await lookForTransaction(walletWith(answers), { account, transaction, nonce });
    expect(state.kind).toBe(kind);
  });
});
