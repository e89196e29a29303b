import { describe, expect, it } from 'vitest';
import { type AskDraft, checkAsk, emptyAsk } from './ask-form.ts';

const target = { home: 'peer', criteria: {} };
const account = `0x${'ab'.repeat(20)}` as const;
const draft = (change: Partial<AskDraft> = {}): AskDraft => ({
  ...emptyAsk(Date.UTC(2026, 5, 15, 12), account),
  title: ' Sleep ',
  explanation: 'To learn.',
  ...change,
});

describe('the form of a request', () => {
  it('gives what the API takes: whole days, whole hours, whole units', () => {
    const checked = checkAsk(draft({ fromDay: '2026-06-01', untilDay: '2026-06-02', price: '1.5' }), target, 2);
    if (checked.kind !== 'valid') throw new Error('it is valid');
    const { request } = checked;
    expect(request).toMatchObject({ title: 'Sleep', price: '150', accessForMs: 30 * 86_400_000, home: 'peer' });
    expect(request.fromMs % 3_600_000).toBe(0);
    expect(request.untilMs - request.fromMs).toBe(2 * 86_400_000);
  });

  it.each([
    ['title', { title: ' ' }],
    ['purpose', { purpose: 'Anything!' }],
    ['explanation', { explanation: '' }],
    ['vitals', { vitals: [] }],
    ['fromDay', { fromDay: 'soon' }],
    ['untilDay', { fromDay: '2026-06-02', untilDay: '2026-06-01' }],
    ['untilDay', { fromDay: '2006-06-02', untilDay: '2026-06-01' }],
    ['accessDays', { accessDays: '0' }],
    ['validDays', { validDays: '1.5' }],
    ['price', { price: '0.123' }],
    ['account', { account: '' }],
  ] as const)('says what is wrong with %s', (field, change) => {
    const checked = checkAsk(draft(change), target, 2);
    expect(checked.kind === 'invalid' ? Object.keys(checked.errors) : []).toEqual([field]);
  });
});
