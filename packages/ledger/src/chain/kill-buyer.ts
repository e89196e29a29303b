// A process that buys one grant and waits for the end of it, for tests that kill it: node kill-buyer.ts SETTINGS
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { openLmdbTables } from '@pulsemesh/store';
import type { Hex, SignedOffer } from '../offer/offer.ts';
import { createLocalSigner } from './accounts/local-signer.ts';
import { connectChain } from './connect-chain.ts';

const text = process.argv[2] ?? '{}';
const settings = JSON.parse(text) as {
  directory: string;
  url: string;
  chainId: number;
  contract: Hex;
  privateKey: Hex;
  grant: Omit<SignedOffer, 'offer'> & { offer: Omit<SignedOffer['offer'], 'price'> & { price: string } };
};
const { directory, url, chainId, contract, privateKey, grant } = settings;
const signed: SignedOffer = { ...grant, offer: { ...grant.offer, price: BigInt(grant.offer.price) } };
const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};
await using store = await openLmdbTables({ directory }, dependencies);
await using ledger = await connectChain(
  {
    urls: [url],
    chainId,
    contract,
    finality: { kind: 'sealed' },
    signer: createLocalSigner(privateKey),
    confirmPollMs: 10,
    spendingLimits: [{ token: `0x${'00'.repeat(20)}`, perDay: 10n ** 18n, total: 10n ** 18n }],
  },
  { ...dependencies, store },
);
const done = await ledger.perform({ step: 'purchase', grants: [signed] });
const left = ledger.spendingLeft(`0x${'00'.repeat(20)}`)?.total;
process.stdout.write(`${JSON.stringify({ transaction: done.transaction, left: String(left) })}\n`);
