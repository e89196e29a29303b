import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GasTable, measureGas } from '../../contracts/gas.ts';
import { startAnvil } from '../testing/anvil.ts';

const committedFile = fileURLToPath(new URL('../../contracts/gas.json', import.meta.url));

let gas: GasTable;

beforeAll(async () => {
  await using chain = await startAnvil();
  gas = await measureGas(chain.url);
  if (process.env['PULSEMESH_GAS'] === 'write') writeFileSync(committedFile, `${JSON.stringify(gas, null, 2)}\n`);
}, 240_000);

function gasOf(step: string): number {
  const found = gas[step];
  if (found === undefined) throw new Error(`${step} was not measured`);
  return found;
}

describe('gas by real receipts', () => {
  it('costs no more than what is committed in gas.json (PULSEMESH_GAS=write writes it anew)', () => {
    const committed = JSON.parse(readFileSync(committedFile, 'utf8')) as GasTable;
    const dearer = Object.entries(gas).filter(([step, units]) => units > (committed[step] ?? 0));
    expect(dearer).toEqual([]);
    expect(Object.keys(gas)).toEqual(Object.keys(committed));
  });

  it('is what the README says', () => {
    const readme = readFileSync(new URL('../../contracts/README.md', import.meta.url), 'utf8');
    const inThousands = (units: number) => Math.round(units).toLocaleString('en-GB');
    for (const step of ['purchase account', 'purchase P-256', 'purchase passkey', 'confirm by custodian', 'anchor']) {
      expect(readme, step).toContain(inThousands(gasOf(step)));
    }
    for (const step of ['purchaseMany 50', 'confirmMany 50']) {
      expect(readme, step).toContain(inThousands(gasOf(step) / 50));
    }
    expect(readme).toContain(inThousands(gasOf('purchase account') + gasOf('confirm by custodian')));
  });

  it('keeps within the aims of each step', () => {
    expect(gasOf('purchase account')).toBeLessThanOrEqual(61_000);
    expect(gasOf('purchase P-256')).toBeLessThanOrEqual(70_000);
    expect(gasOf('purchase passkey')).toBeLessThanOrEqual(80_000);
    expect(gasOf('confirm by custodian')).toBeLessThanOrEqual(65_000);
    expect(gasOf('anchor')).toBeLessThanOrEqual(25_000);
  });

  it('costs at most 1.4 times an escrow that knows neither consent nor deadlines', () => {
    const escrow = gasOf('minimal escrow: purchase') + gasOf('minimal escrow: release');
    expect(escrow).toBeLessThanOrEqual(88_500);
    expect(gasOf('purchase account') + gasOf('confirm by custodian')).toBeLessThanOrEqual(1.4 * escrow);
  });
});
