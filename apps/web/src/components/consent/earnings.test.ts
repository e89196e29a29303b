import { describe, expect, it } from 'vitest';
import { checkWithdrawal } from './earnings.tsx';

const earned = { withdrawable: '1000', decimals: 2, symbol: 'units' };
const to = `0x${'Ab'.repeat(20)}`;

describe('a withdrawal', () => {
  it('goes to an account, in lower case, with what is there', () => {
    expect(checkWithdrawal(` ${to} `, '10', earned)).toEqual({ kind: 'valid', to: to.toLowerCase(), amount: '1000' });
  });

  it.each([
    ['nobody', '1', ['to']],
    [`0x${'0'.repeat(40)}`, '1', ['to']],
    [to, '10.01', ['amount']],
    [to, '0', ['amount']],
    ['', '', ['to', 'amount']],
  ] as const)('is not sent to "%s" with "%s"', (account, amount, fields) => {
    const checked = checkWithdrawal(account, amount, earned);
    expect(checked.kind === 'invalid' ? Object.keys(checked.errors) : []).toEqual(fields);
  });
});
