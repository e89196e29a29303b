import { startAnvil } from '@pulsemesh/ledger/anvil';
import { measureGas } from '@pulsemesh/ledger/gas';
import { createPublicClient, createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { foundry } from 'viem/chains';
import { type BenchLine, benchLine } from '../report.ts';
import { compareAccesses } from './accesses.ts';
import { measureFlow } from './flow.ts';
import { type OceanGas, oceanGas } from './ocean.ts';
import { comparePurchases } from './purchases.ts';

/** The key of anvil's first account, which every copy of it has. */
const richKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';

/** Gas by receipts beside a minimal escrow and Ocean's contracts; purchases a second beside anvil; logged accesses beside an audit table; a consent from payment to data. */
export async function benchLedger(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const only = process.env['BENCH_ONLY'] ?? '';
  const parts = { gas: gasLines, purchases: comparePurchases, accesses: compareAccesses, flow: measureFlow };
  const lines: BenchLine[] = [];
  for (const [name, part] of Object.entries(parts)) if (name.includes(only)) lines.push(...(await part(say)));
  return lines;
}

async function gasLines(say: (text: string) => void): Promise<readonly BenchLine[]> {
  await using chain = await startAnvil();
  const ours = await measureGas(chain.url);
  say(`gas of ours and of the escrow: ${JSON.stringify(ours)}`);
  const ocean = await oceanOn(chain.url);
  say(`gas of Ocean's: listing ${ocean.listing}, allowance ${ocean.approve}, purchase ${ocean.buy}`);
  const of = (step: string) => ours[step] ?? Number.NaN;
  const line = (metric: string, own: number, peerName: string, peer: number, conditions: string) =>
    benchLine({ bench: 'ledger', metric, unit: 'gas', peerName, conditions }, [own], [peer]);
  const escrow = 'a minimal escrow (price in, price out; no consent, no deadlines)';
  const receipts = 'receipts of anvil 1.7.1, Osaka: 21,000 and data included';
  const [bought, confirmed] = [of('purchase account'), of('confirm by custodian')];
  const market = '@oceanprotocol/contracts 2.6.0, enterprise template at a fixed rate, buys and orders in one';
  return [
    line('purchase', bought, escrow, of('minimal escrow: purchase'), receipts),
    line('delivery confirmed', confirmed, escrow, of('minimal escrow: release'), receipts),
    line(
      'whole flow',
      bought + confirmed,
      escrow,
      of('minimal escrow: purchase') + of('minimal escrow: release'),
      receipts,
    ),
    line(
      'whole flow',
      bought + confirmed,
      market,
      Number(ocean.approve + ocean.buy),
      `${receipts}; theirs without a listing`,
    ),
    line(
      'whole flow of a new offer',
      bought + confirmed,
      market,
      Number(ocean.listing + ocean.approve + ocean.buy),
      `${receipts}; ours is signed off chain`,
    ),
    line('purchase signed by a passkey', of('purchase passkey'), market, Number(ocean.approve + ocean.buy), receipts),
    line('anchor of a batch of accesses', of('anchor'), 'one transaction for each access', of('logAccess'), receipts),
  ];
}

function oceanOn(url: string): Promise<OceanGas> {
  const transport = http(url, { retryCount: 0, timeout: 60_000 });
  const chain = foundry;
  const wallet = createWalletClient({ chain, transport, account: privateKeyToAccount(richKey) });
  return oceanGas({ wallet, reader: createPublicClient({ chain, transport, pollingInterval: 10 }) });
}
