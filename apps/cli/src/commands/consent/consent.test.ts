import { describe, expect, it } from 'vitest';
import { catalogueLines, requestOf } from '../research/research.ts';
import { consentLines, hexOf } from './consent.ts';
import { amountText } from './consent-words.ts';

const flags = {
  ...{ home: '12D3', title: 't', purpose: 'research/rhythm', why: 'w', vitals: ['windows', 'readings'], units: '5' },
  ...{ from: '2026-11-01', until: '2026-11-02T10:40Z', accessDays: 2, validDays: 1 },
};
const account = `0x${'ab'.repeat(20)}`;

describe('the words of consent', () => {
  it.each([
    ['0', 18, 'nothing'],
    ['1', 3, '0.001 units'],
    ['12500', 3, '12.5 units'],
    ['7', 0, '7 units'],
  ])('writes %s units of %i decimals as %s', (units, decimals, text) => {
    expect(amountText({ units, decimals, symbol: 'units' })).toBe(text);
  });

  it('shows alarms before all else, and a patient without anything as such', () => {
    const nothing = { isAskable: false, passkey: null, asks: [], grants: [], accesses: [], earnings: { amounts: [] } };
    const alarm = {
      alarmId: 'a',
      kind: 'split-log',
      custodian: 'c',
      grantId: null,
      atMs: 0,
      text: 'two heads',
    } as const;
    const lines = consentLines({ subject: 's', ...nothing, alarms: [alarm] });
    expect(lines[1]).toBe('ALARM 1970-01-01 00:00Z: two heads (c)');
    expect(lines.at(-1)).toBe('Reads: none.');
    expect(catalogueLines([])).toEqual(['Nobody offers a cohort large enough to be shown.']);
  });

  it('says of a read why it was refused, or what was said in an emergency', () => {
    const at = { grantId: '0x1', reader: 'r', custodian: 'c', atMs: 0, purpose: 'p', fromMs: 0, untilMs: 0 } as const;
    const rest = { records: 0, bytes: 0, index: 0, receipt: '', anchor: null, organisation: 'Clinic' } as const;
    const accesses = [{ ...at, ...rest, kind: 'emergency', reason: 'Dr. Who: unconscious' }];
    const nothing = { isAskable: false, passkey: null, asks: [], grants: [], alarms: [], earnings: { amounts: [] } };
    const lines = consentLines({ subject: 's', ...nothing, accesses });
    expect(lines.at(-1)).toContain('emergency (Dr. Who: unconscious)');
  });

  it('asks for whole hours, in the order in which kinds are known', () => {
    expect(requestOf(flags, account)).toMatchObject({
      vitals: ['readings', 'windows'],
      criteria: {},
      fromMs: Date.UTC(2026, 10, 1),
      untilMs: Date.UTC(2026, 10, 2, 10),
      accessForMs: 2 * 86_400_000,
      price: '5',
      account,
    });
    expect(requestOf({ ...flags, handle: 'h' }, account)).not.toHaveProperty('criteria');
  });

  it.each([
    ['a kind that there is not', { vitals: ['steps'] }, '--vitals'],
    ['a fraction', { units: '0.5' }, '--units'],
    ['a day that is none', { from: 'tomorrow' }, '--from'],
  ])('says what is wrong with %s', (_what, wrong, flag) => {
    expect(() => requestOf({ ...flags, ...wrong }, account)).toThrow(flag);
  });

  it('takes ids as they are shown only', () => {
    expect(() => hexOf('0xABC')).toThrow('lower-case');
  });
});
