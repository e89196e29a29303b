import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, formatPlural, formatTime, shortId } from './format.ts';

describe('formats', () => {
  it('carry their units and zones', () => {
    expect([0, 59_999, 60_000, 7_500_000, 7_200_000, 259_200_000].map(formatDuration)).toEqual([
      ...['0 s', '59 s', '1 min', '2 h 5 min', '2 h', '3 d'],
    ]);
    expect(formatBytes(81_600_000)).toBe('82 MB');
    expect([formatPlural(1, 'mail', 'mails'), formatPlural(2, 'mail', 'mails')]).toEqual(['1 mail', '2 mails']);
    expect(formatTime(0)).toMatch(/^\d\d:\d\d:\d\d \S+/);
    expect(shortId('12D3KooWabcdefgh')).toBe('…cdefgh');
  });
});
