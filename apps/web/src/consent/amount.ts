import type { AmountView } from '@pulsemesh/node/api';

const groupFormat = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const pointOf =
  new Intl.NumberFormat(undefined).formatToParts(0.5).find(({ type }) => type === 'decimal')?.value ?? '.';

type Kind = Pick<AmountView, 'symbol' | 'decimals'>;

/** "12.5 ETH", "3 units": exact, never rounded; nothing is "0 ETH". */
export function formatAmount(units: string, { symbol, decimals }: Kind): string {
  return `${formatUnits(units, decimals, pointOf)} ${symbol}`;
}

/** The same for a price, where nothing has a name. */
export function formatPrice({ units, ...kind }: Kind & { readonly units: string }): string {
  return units === '0' ? 'no compensation' : formatAmount(units, kind);
}

/** What goes into a field: no grouping, a full stop. */
export function amountToField(units: string, decimals: number): string {
  const { whole, fraction } = split(units, decimals);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

/** Whole units of what somebody typed; null where that is no amount, or finer than the smallest unit. */
export function parseAmount(typed: string, decimals: number): string | null {
  const found = /^(\d{1,29})(?:[.,](\d{0,36}))?$/.exec(typed.trim());
  if (found === null) return null;
  const fraction = (found[2] ?? '').replace(/0+$/, '');
  if (fraction.length > decimals) return null;
  const units = BigInt(`${found[1]}${fraction.padEnd(decimals, '0')}`);
  return units < 2n ** 96n ? units.toString() : null;
}

function formatUnits(units: string, decimals: number, point: string): string {
  const { whole, fraction } = split(units, decimals);
  const grouped = groupFormat.format(BigInt(whole));
  return fraction === '' ? grouped : `${grouped}${point}${fraction}`;
}

function split(units: string, decimals: number): { readonly whole: string; readonly fraction: string } {
  const padded = units.padStart(decimals + 1, '0');
  const at = padded.length - decimals;
  return { whole: padded.slice(0, at), fraction: padded.slice(at).replace(/0+$/, '') };
}
