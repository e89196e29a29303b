import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from './built-page.ts';
import { launchChromium, skipsWithoutBrowser } from './chromium.ts';
import { injectWallet } from './injected-wallet.ts';
import type { ContextOptions } from './opened-page.ts';
import { type PageServer, startPageServer } from './page-server.ts';
import { addPasskeyDevice } from './passkey-device.ts';
import { ScriptedMarket, scriptedChain } from './scripted-consent.ts';
import { scriptedBackend } from './scripted-offices.ts';
import { xssPayloads } from './xss-payloads.ts';

const stack = new AsyncDisposableStack();
let webDirectory: string;

beforeAll(async () => {
  if (skipsWithoutBrowser()) return;
  webDirectory = stack.use(await buildPage()).directory;
});
afterAll(() => stack.disposeAsync());

describe.skipIf(skipsWithoutBrowser())('consent in Chromium', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
    stack.defer(() => browser.close());
  });

  it.each([
    { name: 'a passkey that makes keys (PRF)', hasPrf: true },
    { name: 'a passkey that cannot', hasPrf: false },
  ])('is given, paid for and withdrawn with $name, live and by keyboard', async ({ hasPrf }) => {
    await using opened = await open('home');
    const { page, market } = opened;
    await addPasskeyDevice(page, hasPrf);
    await goToConsent(page, opened);
    market.ask();
    const ask = page.getByRole('article', { name: 'Sleep and the heart' }).first();
    await ask.getByText('12.5 units').waitFor();
    await ask.getByText('The board knows this key under this name').waitFor();
    await press(page, page.getByRole('button', { name: 'Make a passkey' }));
    await page.getByText(/^Made .*Only it can say yes/).waitFor();
    expect(await page.getByText(/cannot make keys of its own \(PRF\)/).count()).toBe(hasPrf ? 0 : 1);
    await press(page, ask.getByRole('button', { name: 'See what I would sign' }));
    await ask.getByText(/compared its hash/).waitFor();
    await press(page, ask.getByRole('button', { name: 'Say yes with my passkey' }));
    const grant = page.getByRole('region', { name: 'What you agreed to' }).getByRole('article');
    await grant.getByText('offered', { exact: true }).waitFor();
    const grantId = market.grants[0]?.grantId ?? '0x';
    // The signer is fresh where the passkey makes keys: twenty bytes of an account.
    expect(market.grants[0]?.signing?.signer.length === 42).toBe(hasPrf);
    expect(await grant.getByText(/can be linked/).count()).toBe(hasPrf ? 0 : 1);

    market.setPhase(grantId, 'active', Date.now() + 86_400_000);
    await grant.getByText('may be read', { exact: true }).waitFor();
    await market.read(grantId);
    const reads = page.getByRole('table', { name: 'Who read what, newest first' });
    await reads.getByText('checked in this browser').waitFor();
    await reads.getByText(/anchored on ledger and board/).waitFor();
    await reads.getByText(/24 records, 86,400 bytes/).waitFor();

    await press(page, page.getByRole('button', { name: /^Withdraw to an account/ }));
    await page.getByLabel('To which account').fill('nobody');
    await press(page, page.getByRole('button', { name: 'Withdraw with my passkey' }));
    await page.getByText(/An account is 0x and 40 digits/).waitFor();
    await page.getByLabel('To which account').fill(`0x${'Ab'.repeat(20)}`);
    await press(page, page.getByRole('button', { name: 'Withdraw with my passkey' }));
    await page.getByText(/^Sent, as transaction/).waitFor();
    await page.getByText('0 units in your purse').waitFor();

    await press(page, grant.getByRole('button', { name: 'Withdraw consent…' }));
    await grant.getByText('It cannot undo what was read:').waitFor();
    await press(page, grant.getByRole('button', { name: 'Withdraw with my passkey' }));
    await grant.getByText('withdrawn', { exact: true }).waitFor();
    await market.read(grantId, 'revoked');
    await page.getByRole('alert').filter({ hasText: 'tried to read your data without leave' }).waitFor();
    await reads.getByText(/A read was refused \(consent withdrawn\)/).waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it('is refused in silence, countered without a name, switched off, saved and erased', async () => {
    await using opened = await open('home', { acceptDownloads: true });
    const { page, market } = opened;
    await addPasskeyDevice(page, true);
    market.ask({ title: 'One' });
    market.ask({ title: 'Two', isKnown: false });
    await goToConsent(page, opened);
    await page.getByRole('navigation', { name: 'Pages' }).getByText('2').waitFor();
    const two = page.getByRole('article', { name: 'Two' });
    await two.getByText(/The board does not know who this is/).waitFor();
    await two.getByText('To say yes, make a passkey first').waitFor();
    await two.getByRole('button', { name: 'Name another compensation' }).click();
    await two.getByLabel(/^Compensation you would say yes for/).fill('20.123');
    await two.getByRole('button', { name: 'Send this answer' }).click();
    await two.getByText(/at most 2 digits after the point/).waitFor();
    await two.getByLabel(/^Compensation you would say yes for/).fill('20');
    await two.getByRole('button', { name: 'Send this answer' }).click();
    await page.getByText('Answered or over (1)').waitFor();
    await page.getByRole('article', { name: 'One' }).getByRole('button', { name: 'Say no' }).click();
    await page.getByText('Answered or over (2)').waitFor();
    await page.getByLabel('Researchers may ask me').uncheck();
    await expect.poll(() => market.isAskable).toBe(false);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save my data (FHIR)' }).click(),
    ]);
    expect(file.suggestedFilename()).toBe('own-all.json');
    await page.getByText('Erase what ties the ledger to me').click();
    await page.getByLabel(/type the word erase/).fill('yes');
    await page.getByRole('button', { name: 'Erase', exact: true }).click();
    await page.getByText('Type the word erase.').waitFor();
    await page.getByLabel(/type the word erase/).fill('erase');
    await page.getByRole('button', { name: 'Erase', exact: true }).click();
    await page.getByText('Answered or over').waitFor({ state: 'detached' });
    expect(opened.complaints).toEqual([]);
  });

  it('is not signed where the home shows one thing and would have another signed', async () => {
    await using opened = await open('home');
    const { page, market } = opened;
    await addPasskeyDevice(page, true);
    market.ask();
    await goToConsent(page, opened);
    await page.getByRole('button', { name: 'Make a passkey' }).click();
    await page.getByText(/^Made .*Only it can say yes/).waitFor();
    market.tamper = (draft) => ({ ...draft, consent: draft.consent.replace('readings', 'alerts') });
    await page.getByRole('button', { name: 'See what I would sign' }).click();
    await page.getByRole('alert').filter({ hasText: 'Do not sign this.' }).waitFor();
    expect(await page.getByRole('button', { name: /^Say yes/ }).count()).toBe(0);
    expect(market.grants).toEqual([]);
  });

  it('says when a line of the access log proves nothing, and when custodian and anchors contradict each other', async () => {
    await using opened = await open('home');
    const { page, market } = opened;
    const grantId = await givenGrant(page, opened);
    await market.read(grantId);
    await market.read(grantId);
    const [last] = market.accesses;
    if (last !== undefined) market.accesses[0] = { ...last, records: 1 };
    market.changed();
    const reads = page.getByRole('table', { name: 'Who read what, newest first' });
    await reads.getByText('its receipt says something else than this line').waitFor();
    await page.getByRole('alert').filter({ hasText: 'Some entries of the access log prove nothing.' }).waitFor();
    const [anchor] = market.anchors;
    if (anchor !== undefined) market.anchors[0] = { ...anchor, root: `0x${'9'.repeat(64)}` };
    await page.goto(`${opened.server.origin}/#/audit`);
    await page
      .getByRole('alert')
      .filter({ hasText: 'Something here contradicts itself' })
      .getByText(/Its first 2 entries are not those that it anchored/)
      .waitFor();
  });

  it('is bought with a wallet of the browser: bound, sent, followed, confirmed, read, and refused after it ended', async () => {
    const market = await scripted();
    const account = privateKeyToAccount(generatePrivateKey());
    const sent = new Map<string, { data: string; status: 'pending' | 'failed' | 'sealed' }>();
    let chainId = 1;
    await using opened = await open('research', { acceptDownloads: true }, market, async (page) => {
      await injectWallet(page, 'Test wallet', async (method, params) => {
        switch (method) {
          case 'eth_requestAccounts':
            return [account.address];
          case 'eth_chainId':
            return `0x${chainId.toString(16)}`;
          case 'wallet_switchEthereumChain':
            chainId = scriptedChain.chainId;
            return null;
          case 'eth_signTypedData_v4':
            return account.signTypedData(JSON.parse(String(params[1])));
          case 'eth_sendTransaction': {
            if (sent.size === 0 && chainId !== scriptedChain.chainId) throw { code: 4_900, message: 'wrong chain' };
            const hash = market.next(32);
            sent.set(hash, { data: (params[0] as { data: string }).data, status: 'pending' });
            return hash;
          }
          case 'eth_getTransactionReceipt': {
            const status = sent.get(String(params[0]))?.status;
            if (status === 'pending' || status === undefined) return null;
            return { status: status === 'sealed' ? '0x1' : '0x0', blockNumber: '0x2b' };
          }
          case 'eth_getTransactionByHash':
            return { nonce: '0x0' };
          default:
            throw { code: 4_200, message: method };
        }
      });
    });
    const { page, server } = opened;
    await page.getByRole('heading', { name: 'Research', level: 1 }).waitFor();
    await page.getByRole('button', { name: /^Use Test wallet/ }).click();
    await page.getByRole('button', { name: 'Bind this account to the office' }).click();
    await page.getByText(/: bound to this office/).waitFor();

    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Ask' }).click();
    await page.getByText('At least 5 patients').waitFor();
    await page.getByRole('button', { name: /^Ask them.*an irregular rhythm/ }).click();
    await page.getByRole('button', { name: 'Send the request' }).click();
    await page.getByText('Patients see this first').waitFor();
    await page.getByLabel('Title').fill('Sleep and the heart');
    await page.getByLabel('In plain words, for patients').fill('We compare nights with days.');
    await page.getByLabel(/^For each patient, in units/).fill('12.50');
    await page.getByRole('button', { name: 'Send the request' }).click();
    await page.getByText('The request was sent.').waitFor();
    expect(market.asks[0]).toMatchObject({ title: 'Sleep and the heart', price: { units: '1250' } });

    // The patient says yes meanwhile, on a node of their own.
    await using home = await open('home', {}, market);
    const grantId = await givenGrant(home.page, home, false);
    await page.goto(`${server.origin}/#/research`);
    const offer = page.getByRole('region', { name: /^Offers and consents/ }).getByRole('article');
    await offer.getByText('12.5 units').first().waitFor();
    await page.getByRole('button', { name: /^Use Test wallet/ }).click();
    const pay = offer.getByRole('button', { name: 'Pay 12.5 units with Test wallet' });
    await pay.click();
    await offer.getByText(/^Sent; waits for a block/).waitFor();
    expect([...sent.values()][0]?.data).toBe(grantId);
    for (const one of sent.values()) one.status = 'failed';
    await offer.getByText(/^The ledger refused it/).waitFor();
    await pay.click();
    await expect.poll(() => sent.size).toBe(2);
    for (const one of sent.values()) one.status = 'sealed';
    await offer.getByText(/^In a block/).waitFor();
    market.setPhase(grantId, 'paid', Date.now() + 900_000);
    await offer.getByText('The purchase is final.').waitFor();
    await offer.getByText(/The key has to come within 14 min/).waitFor();
    await offer.getByRole('button', { name: 'Sign that the key came' }).click();
    const save = offer.getByRole('button', { name: 'Read and save as FHIR' });
    const [file] = await Promise.all([page.waitForEvent('download'), save.click()]);
    expect(file.suggestedFilename()).toBe('read.json');
    const own = page.getByRole('table', { name: 'Reads of this office, newest first' });
    await own.getByText('checked in this browser').waitFor();
    market.setPhase(grantId, 'delivered', Date.now() + 900_000);
    await offer.getByRole('button', { name: 'Object: the key opens nothing' }).click();
    await expect.poll(() => sent.size).toBe(3);
    expect([...sent.values()].at(-1)).toMatchObject({ data: grantId });
    market.setPhase(grantId, 'paid', Date.now() - 1_000);
    await offer.getByRole('button', { name: 'Take my money back' }).click();
    await page.getByText('Over (1)').waitFor();
    expect(opened.complaints).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('has nothing that the accessibility rules forbid, in %s', async (colorScheme) => {
    const look: ContextOptions = { colorScheme, reducedMotion: 'reduce' };
    const market = await scripted();
    await using home = await open('home', look, market);
    await fill(home.page, home);
    await using research = await open('research', look, market);
    for (const { opened, hash } of pagesOf(home, research)) {
      await goTo(opened, hash);
      const { violations } = await new AxeBuilder({ page: opened.page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
        .analyze();
      expect(violations.map(({ id, nodes }) => `${hash} ${id} ${nodes[0]?.html}`)).toEqual([]);
    }
    expect([...home.complaints, ...research.complaints]).toEqual([]);
  });

  it.each([320, 375])('scrolls only downwards on a phone %i px wide', async (width) => {
    const look: ContextOptions = { viewport: { width, height: 700 }, isMobile: true, hasTouch: true };
    const market = await scripted();
    await using home = await open('home', look, market);
    await fill(home.page, home);
    await using research = await open('research', look, market);
    for (const { opened, hash } of pagesOf(home, research)) {
      await goTo(opened, hash);
      expect([hash, await opened.page.evaluate('document.documentElement.scrollWidth')]).toEqual([hash, width]);
    }
  });

  it('shows hostile requests as text and runs none of them', async () => {
    await using opened = await open('home');
    const { page, market } = opened;
    for (const text of xssPayloads.slice(0, 20)) {
      market.ask({ title: text, organisation: text, explanation: text, purpose: text.slice(0, 60) });
    }
    await goToConsent(page, opened);
    await page.getByText('Requests that wait for you (20)').waitFor();
    expect(await page.evaluate('window.__xss')).toBeUndefined();
    expect(await page.locator('main img, main iframe, main script, main object').count()).toBe(0);
    expect(opened.complaints).toEqual([]);
  });

  async function scripted(): Promise<ScriptedMarket> {
    // The first heart of every scripted mesh.
    return stack.use(await ScriptedMarket.open('', () => Date.now()));
  }

  async function open(
    kind: 'home' | 'research',
    options: ContextOptions = {},
    given?: ScriptedMarket,
    prepare: (page: Page) => Promise<void> = async () => {},
  ) {
    const market = given ?? (await scripted());
    const server = await startPageServer({
      webDirectory,
      consent: (mesh, origin) => {
        market.subject ||= mesh.subjects[0] ?? '';
        return scriptedBackend(market, kind, origin);
      },
    });
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      // Keys on P-256 are the only ones that the contract can check: Chromium would rather have RSA offered, too.
      if (message.text().includes('pubKeyCredParams')) return;
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await prepare(page);
    await page.goto(server.entry);
    await page.getByRole('heading', { level: 1 }).waitFor();
    return {
      page,
      server,
      market,
      complaints,
      async [Symbol.asyncDispose]() {
        await context.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }
});

interface Opened {
  readonly page: Page;
  readonly server: PageServer;
  readonly market: ScriptedMarket;
}

async function goToConsent(page: Page, { server, market }: Opened): Promise<void> {
  await page.goto(`${server.origin}/#/patients/${market.subject}/consent`);
  await page.getByRole('heading', { name: /^Requests that wait/ }).waitFor();
}

/** Focus and Enter: what a keyboard does. */
async function press(page: Page, button: ReturnType<Page['getByRole']>): Promise<void> {
  await button.focus();
  await page.keyboard.press('Enter');
}

/** A patient says yes to the newest request. */
async function givenGrant(page: Page, opened: Opened, asks = true) {
  const { market } = opened;
  await addPasskeyDevice(page, true);
  if (asks) market.ask();
  await goToConsent(page, opened);
  await page.getByRole('button', { name: 'Make a passkey' }).click();
  await page.getByText(/^Made .*Only it can say yes/).waitFor();
  await page.getByRole('button', { name: 'See what I would sign' }).first().click();
  await page.getByRole('button', { name: 'Say yes with my passkey' }).click();
  await expect.poll(() => market.grants.length, { timeout: 30_000 }).toBe(1);
  return market.grants[0]?.grantId ?? '0x';
}

/** Something of everything. */
async function fill(page: Page, opened: Opened): Promise<void> {
  const { market } = opened;
  const grantId = await givenGrant(page, opened);
  market.setPhase(grantId, 'active', Date.now() + 86_400_000);
  await market.read(grantId);
  await market.read(grantId, 'outside-grant');
  const countered = market.ask({ title: 'Steps and beats' });
  market.setAsk(countered.askId, 'countered');
  market.ask({ title: 'Heart rates of shift workers', isKnown: false });
}

function pagesOf(home: Opened, research: Opened) {
  return [
    { opened: home, hash: '#/consent' },
    { opened: home, hash: `#/patients/${home.market.subject}/consent` },
    { opened: home, hash: '#/audit' },
    { opened: research, hash: '#/research' },
    { opened: research, hash: '#/research/ask' },
    { opened: research, hash: '#/audit' },
  ] as const;
}

async function goTo({ page, server }: Opened, hash: string): Promise<void> {
  await page.goto(`${server.origin}/${hash}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  if (hash.endsWith('/consent') && hash !== '#/consent') {
    await page.getByText('checked in this browser').first().waitFor();
    await press(page, page.getByRole('button', { name: 'See what I would sign' }).first());
    await page.getByText(/compared its hash/).waitFor();
    await press(page, page.getByRole('button', { name: /^Withdraw to an account/ }));
    await press(page, page.getByRole('button', { name: 'Withdraw consent…' }));
  }
  if (hash === '#/audit') await page.getByText('verified in this browser').first().waitFor();
  if (hash === '#/research') await press(page, page.getByRole('button', { name: /^Ask again for/ }));
  if (hash === '#/research/ask') await press(page, page.getByRole('button', { name: /^Ask them/ }).first());
  await page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true");
}
