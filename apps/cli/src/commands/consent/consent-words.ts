import type { AmountView } from '@pulsemesh/node/api';
import { Option } from 'commander';

/** An amount as people write it: `12.5 units`, `nothing`. */
export function amountText({ units, decimals, symbol }: Pick<AmountView, 'units' | 'decimals' | 'symbol'>): string {
  if (BigInt(units) === 0n) return 'nothing';
  const digits = units.padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const rest = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '');
  return `${whole}${rest === '' ? '' : `.${rest}`} ${symbol}`;
}

/** A time as `2026-11-22 16:30Z`. */
export function dayText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}

/** `--format`. */
export function formatOption(): Option {
  return new Option('--format <format>', 'fhir: a FHIR R4 bundle; csv: a table')
    .choices(['fhir', 'csv'])
    .default('fhir');
}
