import { describe, expect, it } from 'vitest';
import { freshness, silentAfterMs, staleAfterMs } from './freshness.ts';

describe('freshness', () => {
  it('goes from live over stale to silent', () => {
    expect(freshness(null, 0).kind).toBe('never');
    expect(freshness(0, staleAfterMs - 1)).toEqual({ kind: 'live' });
    expect(freshness(0, staleAfterMs)).toEqual({ kind: 'stale', text: 'No reading for 15 s' });
    expect(freshness(0, silentAfterMs)).toEqual({ kind: 'silent', text: 'No reading for 2 min' });
  });
});
