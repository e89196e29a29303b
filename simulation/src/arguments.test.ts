import { describe, expect, it } from 'vitest';
import { parseArguments } from './arguments.ts';

describe('parseArguments', () => {
  it('reads what it prints', () => {
    const parsed = parseArguments(['pipeline', '--seed', '5', '--runs', '2', '--faults', '9', '--json']);
    expect(parsed).toMatchObject({ seed: 5, runs: 2, isJson: true, options: { faults: 9 }, again: '--faults 9' });
  });

  it('says what is wrong', () => {
    expect(parseArguments([])).toBe('say which scenario: pipeline');
    expect(parseArguments(['pipeline', '--seed', 'x'])).toContain('--seed is a whole number');
    expect(parseArguments(['pipeline', '--runs', '0'])).toContain('--runs is a whole number');
    expect(parseArguments(['pipeline', '--nonsense'])).toContain('nonsense');
  });
});
