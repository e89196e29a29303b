import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import type { Browser, Page } from 'playwright-core';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readFhirBundle } from '../../packages/ledger/src/export/read-bundle.ts';
import { createLocalSigner, deployContracts } from '../../packages/ledger/src/index.ts';
import { startAnvil, testKeyOf } from '../../packages/ledger/src/testing/anvil.ts';
import type { PatientInput } from '../../packages/node/src/api/types.ts';
import { ConsentWorld, type ConsentWorldOptions } from '../../packages/node/src/consent/consent-world.testing.ts';
import { readLedgerDescription } from '../../packages/node/src/consent/open-ledger.ts';
import { ledgerDescriptionFile } from '../../packages/node/src/roles/ledger.ts';
import { buildPage } from './built-page.ts';
import { chainWallet } from './chain-wallet.ts';
import { launchChromium, skipsWithoutBrowser } from './chromium.ts';
import { injectWallet } from './injected-wallet.ts';
import { addPasskeyDevice } from './passkey-device.ts';

const stack = new AsyncDisposableStack();
let webDirectory: string;

beforeAll(async () => {
  if (skipsWithoutBrowser()) return;
  webDirectory = stack.use(await buildPage()).directory;
});
afterAll(() => stack.disposeAsync());

const hourMs = 3_600_000;
const fromMs = Date.UTC(2026, 10, 1);
const readingCount = 60;
const priceUnits = '25';
/** Offices, mailboxes and blocks on a machine that may be busy. */
const slow = { timeout: 120_000 };
const until = <T>(look: () => Promise<T>) => vi.waitFor(look, { ...slow, interval: 200 });

const patient = (userId: string): PatientInput => ({
  ...{ userId, name: `Patient ${userId}`, email: `${userId}@example.org`, language: 'en', doctor: null },
  ...{ tells: { patient: true, doctor: false }, device: { kind: 'replay' } },
});

describe.skipIf(skipsWithoutBrowser())('two people and their offices in Chromium', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
    stack.defer(() => browser.close());
  });

  it.each(['the embedded ledger', 'anvil'] as const)(
    'request, price, passkey, purchase by wallet, key, download, the patient sees it, revocation, refusal: over %s',
    async (ledger) => {
      await using own = new AsyncDisposableStack();
      const key = generatePrivateKey();
      const wallet = privateKeyToAccount(key).address.toLowerCase() as `0x${string}`;
      const homePort = await freePort();
      const chain =
        ledger === 'anvil' ? await anvilFor(wallet, own) : { genesis: [{ account: wallet, units: '1000' }] };
      const world = own.use(new ConsentWorld({ webDirectory, homePort, ...chain }));
      await world.start('chain');
      const { urls, chainId } = readLedgerDescription(ledgerDescriptionFile(world.place('ledger')));

      const { subject } = await world.api('home').registerPatient(patient('ada'));
      await world.record(patient('ada'), fromMs, readingCount);
      await world.record(patient('ada'), fromMs + 3 * hourMs, 10); // after what is agreed

      const patientPage = await pageOf(own, browser, world.entry('home'));
      await addPasskeyDevice(patientPage, true);
      const origin = new URL(world.entry('home')).origin;
      await patientPage.goto(`${origin}/#/patients/${subject}/consent`);
      // The office opens once it has found its ledger and its board.
      await patientPage.getByRole('heading', { name: /^Requests that wait/ }).waitFor(slow);
      const askable = patientPage.getByLabel('Researchers may ask me');
      if (!(await askable.isChecked())) await press(patientPage, askable, 'Space');
      await until(async () => expect((await world.consent('home').consent(subject)).isAskable).toBe(true));
      await press(patientPage, patientPage.getByRole('button', { name: 'Make a passkey' }));
      await patientPage.getByText(/^Made .*Only it can say yes/).waitFor(slow);

      const researchPage = await pageOf(own, browser, world.entry('research'), (page) =>
        injectWallet(page, 'Test wallet', chainWallet(key, chainId, urls[0] ?? '')),
      );
      await press(researchPage, researchPage.getByRole('button', { name: /^Use Test wallet/ }));
      await press(researchPage, researchPage.getByRole('button', { name: 'Bind this account to the office' }));
      await researchPage.getByText(/: bound to this office/).waitFor(slow);
      // Homes publish what they offer once a day: this researcher knows whom to ask.
      const { peerId } = await world.identity('home');
      const study = {
        title: 'A study',
        purpose: 'research/rhythm',
        explanation: 'To learn.',
        vitals: ['readings'],
      } as const;
      const span = { fromMs, untilMs: fromMs + 2 * hourMs, accessForMs: 24 * hourMs, validForMs: 24 * hourMs };
      const request = { ...study, ...span, home: peerId, criteria: {}, price: priceUnits, account: wallet };
      await until(() => world.consent('research').ask(request));

      const ask = patientPage.getByRole('article', { name: 'A study' });
      await ask.getByText('25 units').waitFor(slow);
      await press(patientPage, ask.getByRole('button', { name: 'See what I would sign' }));
      await ask.getByText(/compared its hash/).waitFor(slow);
      await press(patientPage, ask.getByRole('button', { name: 'Say yes with my passkey' }));

      const offer = researchPage.getByRole('region', { name: /^Offers and consents/ }).getByRole('article');
      const pay = offer.getByRole('button', { name: 'Pay 25 units with Test wallet' });
      await pay.waitFor(slow);
      const before = await balanceOf(urls[0] ?? '', wallet);
      await press(researchPage, pay);
      const sign = offer.getByRole('button', { name: 'Sign that the key came' });
      await sign.waitFor(slow);
      expect(before - (await balanceOf(urls[0] ?? '', wallet))).toBeGreaterThanOrEqual(BigInt(priceUnits));
      const grantId = (await world.consent('research').research()).grants[0]?.grantId ?? '0x';
      await press(researchPage, sign);
      const save = offer.getByRole('button', { name: 'Read and save as FHIR' });
      await save.waitFor(slow);
      const [file] = await Promise.all([researchPage.waitForEvent('download', slow), press(researchPage, save)]);
      const bundle = readFhirBundle(await readFile(await file.path(), 'utf8'));
      const recorded = Array.from({ length: readingCount }, (_, index) => [fromMs + index * 10_000, 60 + (index % 30)]);
      expect(bundle.readings.map(({ tMs, bpm }) => [tMs, bpm])).toEqual(recorded);

      // The patient sees it, checked, and is paid.
      const reads = patientPage.getByRole('table', { name: 'Who read what, newest first' });
      await reads
        .getByRole('rowheader', { name: /^Data were read/ })
        .first()
        .waitFor(slow);
      await reads
        .getByText(/anchored on ledger/)
        .first()
        .waitFor(slow);
      expect(await reads.getByText('proves nothing').count()).toBe(0);
      await patientPage.getByText('25 units in your purse').waitFor(slow);
      await press(patientPage, patientPage.getByRole('button', { name: /^Withdraw to an account/ }));
      const purse = `0x${'ab'.repeat(20)}` as const;
      await patientPage.getByLabel('To which account').fill(purse);
      await press(patientPage, patientPage.getByRole('button', { name: 'Withdraw with my passkey' }));
      await until(async () => expect(await balanceOf(urls[0] ?? '', purse)).toBe(BigInt(priceUnits)));

      const grant = patientPage.getByRole('region', { name: 'What you agreed to' }).getByRole('article');
      await press(patientPage, grant.getByRole('button', { name: 'Withdraw consent…' }));
      await press(patientPage, grant.getByRole('button', { name: 'Withdraw with my passkey' }));
      await grant.getByText('withdrawn', { exact: true }).waitFor(slow);
      await expect(world.consent('research').data(grantId, 'csv')).rejects.toMatchObject({ code: 'access-denied' });
      await researchPage.getByText('Over (1)').waitFor(slow);
      await reads
        .getByRole('rowheader', { name: /^A read was refused/ })
        .first()
        .waitFor(slow);

      await patientPage.goto(`${origin}/#/audit`);
      await patientPage.getByText('verified in this browser').first().waitFor(slow);
      expect(await patientPage.getByText('Something here contradicts itself').count()).toBe(0);
      await patientPage.getByText('Consent was withdrawn').first().waitFor(slow);
    },
    600_000,
  );
});

/** A page of its own, at the address that opens it. */
async function pageOf(
  own: AsyncDisposableStack,
  browser: Browser,
  entry: string,
  prepare: (page: Page) => Promise<void> = async () => {},
): Promise<Page> {
  const context = await browser.newContext({ acceptDownloads: true });
  own.defer(() => context.close());
  const page = await context.newPage();
  await prepare(page);
  await page.goto(entry);
  await page.getByRole('heading', { level: 1 }).waitFor(slow);
  return page;
}

async function press(page: Page, target: ReturnType<Page['getByRole']>, key = 'Enter'): Promise<void> {
  await target.waitFor(slow);
  await target.focus();
  await page.keyboard.press(key);
}

/**
 * A chain in a process of its own, with the contract on it: a block a second, of which the second last is final, so that what was paid
 * counts after a while.
 */
async function anvilFor(wallet: `0x${string}`, own: AsyncDisposableStack): Promise<ConsentWorldOptions> {
  const args = ['--block-time', '1', '--slots-in-an-epoch', '1'];
  const anvil = own.use(await startAnvil({ chainId: 4_343, args }));
  await anvil.enrich(wallet);
  return {
    spending: (10n ** 18n).toString(),
    async startChain(descriptionFile, accounts) {
      for (const account of accounts) await anvil.enrich(account);
      const signer = createLocalSigner(testKeyOf('operator'));
      await anvil.enrich(signer.address.toLowerCase() as `0x${string}`);
      const where = { urls: [anvil.url], chainId: anvil.chainId };
      const deps = {
        clock: createSystemClock(),
        random: createSystemRandom(),
        logger: silentLogger,
        meter: silentMeter,
      };
      const found = await deployContracts({ ...where, signer, confirmPollMs: 100 }, deps);
      const lower = (address: string) => address.toLowerCase();
      const verifiers = { p256: lower(found.p256Verifier), webAuthn: lower(found.webAuthnVerifier) };
      const rest = { codeHash: found.codeHash, verifiers, fromBlock: Number(found.fromBlock) };
      const description = { ...where, contract: lower(found.contract), ...rest, symbol: 'units', decimals: 0 };
      await writeFile(descriptionFile, JSON.stringify(description));
    },
  };
}

async function balanceOf(url: string, account: string): Promise<bigint> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_getBalance', params: [account, 'latest'] });
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { result } = (await answer.json()) as { result: string };
  return BigInt(result);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}
