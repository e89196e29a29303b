import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { amountToField, formatAmount, formatPrice, parseAmount } from './amount.ts';

describe('an amount', () => {
  it('is shown exactly, with what it is in', () => {
    expect(formatAmount('1250', { symbol: 'units', decimals: 2 })).toMatch(/^12[.,]5 units$/);
    expect(formatAmount('1', { symbol: 'ETH', decimals: 18 })).toMatch(/^0[.,]0{17}1 ETH$/);
    expect(formatAmount('7', { symbol: 'units', decimals: 0 })).toBe('7 units');
    expect(formatPrice({ units: '0', symbol: 'units', decimals: 2 })).toBe('no compensation');
  });

  it('is read back from its field, to the unit', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 96n - 1n), fc.integer({ min: 0, max: 28 }), (units, decimals) => {
        expect(parseAmount(amountToField(units.toString(), decimals), decimals)).toBe(units.toString());
      }),
    );
  });

  it.each(['', '-1', '1e3', '0x10', '1.234', '1,2,3', '9'.repeat(30), ' '])('is not "%s"', (typed) => {
    expect(parseAmount(typed, 2)).toBeNull();
  });

  it('takes a comma and spaces around it', () => {
    expect(parseAmount(' 12,5 ', 2)).toBe('1250');
  });
});
