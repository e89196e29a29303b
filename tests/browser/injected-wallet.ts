import type { Page } from 'playwright-core';

/** What answers for a wallet, outside the page. Throwing `{code, message}` refuses as wallets do. */
export type WalletAnswer = (method: string, params: readonly unknown[]) => Promise<unknown>;

/** What of a page's window the script below uses. */
interface WalletWindow {
  __wallet(method: string, params: string): Promise<string>;
}

/** Puts a wallet into the page that announces itself (EIP-6963); to be called before the page is opened. */
export async function injectWallet(page: Page, name: string, answer: WalletAnswer): Promise<void> {
  await page.exposeFunction('__wallet', async (method: string, params: string) => {
    try {
      return JSON.stringify({ value: (await answer(method, JSON.parse(params))) ?? null });
    } catch (error) {
      const { code = -32_603, message = 'failed' } = error as { code?: number; message?: string };
      return JSON.stringify({ error: { code, message } });
    }
  });
  await page.addInitScript((walletName) => {
    const host = globalThis as unknown as WalletWindow & EventTarget;
    const provider = {
      async request({ method, params = [] }: { readonly method: string; readonly params?: readonly unknown[] }) {
        const { value, error } = JSON.parse(await host.__wallet(method, JSON.stringify(params)));
        if (error !== undefined) throw Object.assign(new Error(error.message), error);
        return value;
      },
    };
    const info = {
      uuid: `uuid-${walletName}`,
      name: walletName,
      rdns: 'example.wallet',
      icon: 'data:image/png;base64,',
    };
    const announce = () => {
      const detail = Object.freeze({ info, provider });
      host.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }));
    };
    host.addEventListener('eip6963:requestProvider', announce);
    announce();
  }, name);
}
