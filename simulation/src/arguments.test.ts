import { describe, expect, it } from 'vitest';
import { parseArguments, simulateUsage } from './arguments.ts';
import { scenarios } from './scenarios/index.ts';

describe('parseArguments', () => {
  it('reads what it prints', () => {
    const parsed = parseArguments([
      'pipeline',
      '--seed',
      '5',
      '--runs',
      '2',
      '--faults',
      '9',
      '--json',
      '--plot',
      'a.svg',
    ]);
    expect(parsed).toMatchObject({ seed: 5, runs: 2, isJson: true, again: '--faults 9', plotFile: 'a.svg' });
    expect(parsed).toMatchObject({ values: { patients: 3, faults: 9, seconds: 480 } });
  });

  it('says what is wrong', () => {
    expect(parseArguments([])).toContain('say which scenario: pipeline');
    expect(parseArguments(['nothing'])).toContain('no scenario "nothing"');
    expect(parseArguments(['pipeline', '--seed', 'x'])).toContain('--seed is a whole number');
    expect(parseArguments(['pipeline', '--runs', '0'])).toContain('--runs is a whole number');
    expect(parseArguments(['pipeline', '--runs', ''])).toContain('--runs is a whole number');
    expect(parseArguments(['pipeline', '--nonsense'])).toContain('nonsense');
    expect(parseArguments(['pipeline', 'rings'])).toContain('one scenario at a time');
  });

  it('helps with all, and with each', () => {
    expect(parseArguments(['--help'])).toEqual({ help: undefined });
    for (const scenario of scenarios) {
      expect(parseArguments([scenario.name, '-h'])).toEqual({ help: scenario });
      expect(simulateUsage()).toContain(scenario.about);
      const usage = simulateUsage(scenario);
      for (const name of Object.keys(scenario.options)) expect(usage).toContain(`--${name} `);
      expect(usage).toContain('--seed N');
    }
  });

  it('takes the defaults that the options name, each within its own bounds', () => {
    for (const scenario of scenarios) {
      const parsed = parseArguments([scenario.name]);
      if (typeof parsed === 'string' || 'help' in parsed) throw new Error('not read');
      for (const [name, value] of Object.entries(parsed.values)) {
        expect(parseArguments([scenario.name, `--${name}`, String(value)])).toMatchObject({
          values: { [name]: value },
        });
      }
    }
  });
});
