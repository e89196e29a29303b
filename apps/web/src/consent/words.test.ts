import { describe, expect, it } from 'vitest';
import { ledgerOf } from './testing-consent.ts';
import {
  countdownWords,
  criteriaWords,
  eventWords,
  isRevocable,
  ledgerWords,
  lengthWords,
  purposeWords,
} from './words.ts';

const hourMs = 3_600_000;

describe('words about consent', () => {
  it('say lengths in the largest whole unit', () => {
    expect(lengthWords(30 * 24 * hourMs)).toBe('30 days');
    expect(lengthWords(36 * hourMs)).toBe('36 hours');
    expect(lengthWords(90 * 60_000)).toBe('90 minutes');
    expect(lengthWords(24 * hourMs)).toBe('1 day');
    expect(lengthWords(1_500)).toBe('2 seconds');
  });

  it('run clocks down', () => {
    expect(countdownWords(25 * hourMs)).toBe('1 d 1 h');
    expect(countdownWords(61_000)).toBe('1 min 1 s');
    expect(countdownWords(0)).toBe('0 s');
    expect(countdownWords(-5)).toBe('0 s');
  });

  it('call purposes by name, and leave what they do not know', () => {
    expect(purposeWords('research/rhythm')).toBe('Research: rhythm');
    expect(purposeWords('research')).toBe('Research');
    expect(purposeWords('marketing/ads')).toBe('marketing/ads');
  });

  it('name a ledger by its kind; what it is worth it says itself', () => {
    expect(ledgerWords(ledgerOf())).toBe('Embedded chain.');
    expect(ledgerWords(ledgerOf({ kind: 'board', sealers: [] }))).toBe('Public board, without money.');
  });

  it('name cohorts without identities', () => {
    expect(criteriaWords({})).toBe('everybody who may be asked');
    expect(criteriaWords({ recordedHoursMin: 24, irregular: true, input: 'rr' })).toBe(
      'at least 24 hours recorded, an irregular rhythm was pointed out, a chest strap (time between beats)',
    );
  });

  it('tell an end by withdrawal from another', () => {
    const event = { at: '1', place: 0, timeMs: 0, transaction: '0x', grantId: '0x', amount: '0' } as const;
    const rest = { custodian: null, root: null, count: null };
    expect(eventWords({ ...event, ...rest, kind: 'ended', status: 'revoked' })).toBe('Consent was withdrawn');
    expect(eventWords({ ...event, ...rest, kind: 'ended', status: 'closed' })).toBe('Ended');
    expect(eventWords({ ...event, ...rest, kind: 'anchored', status: null, count: 3 })).toMatch(/3 entries/);
  });

  it('offer withdrawal only where it still changes something', () => {
    expect((['offered', 'paid', 'active'] as const).every((phase) => isRevocable({ phase }))).toBe(true);
    expect((['revoked', 'closed', 'refunded', 'expired'] as const).some((phase) => isRevocable({ phase }))).toBe(false);
  });
});
