import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main } from '../main.ts';

const isFull = process.env['PULSEMESH_TABLES'] === 'full';

async function simulate(...args: string[]) {
  const lines: string[] = [];
  const code = await main([...args, '--quiet'], { write: (line) => lines.push(line) });
  return { code, out: lines.join('\n'), runs: args.includes('--json') ? lines.map((line) => JSON.parse(line)) : [] };
}

describe('random faults', () => {
  const seeds = isFull ? 1_000 : 20;

  it(`leave nothing broken once they are over (${seeds} seeds)`, { timeout: 3_600_000 }, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const { code, out } = await simulate('faults', '--seed', String(seed), '--nodes', isFull ? '24' : '8');
      expect(code, out).toBe(0);
    }
  });
});

describe('scenarios', () => {
  it.each([
    ['rings', '--nodes', '24', '--warm', '25', '--seconds', '5'],
    ['rings', '--nodes', '24', '--warm', '25', '--seconds', '5', '--crash', '0.2', '--promise', '0.98'],
    [
      'rings',
      '--nodes',
      '24',
      '--warm',
      '25',
      '--seconds',
      '5',
      '--loss',
      '0.05',
      '--promise',
      '0.9',
      '--class',
      'urgent',
    ],
    ['pubsub', '--nodes', '12', '--topics', '12', '--per', '4', '--warm', '40', '--seconds', '5', '--promise', '0.95'],
    ['join', '--nodes', '24', '--topics', '8', '--per', '2', '--seconds', '20', '--topic', 'open'],
    ['sampling', '--nodes', '60', '--byzantine', '0.1', '--seconds', '120'],
    ['churn', '--nodes', '14', '--session', '60', '--absence', '20', '--seconds', '60', '--promise', '0.95'],
    ['lan-bridge', '--sites', '2', '--size', '5', '--core', '4', '--warm', '30', '--seconds', '12'],
    ['lan-bridge', '--sites', '2', '--size', '4', '--core', '0', '--bridges', '1', '--warm', '30', '--seconds', '6'],
    ['partition', '--nodes', '14', '--split', '30', '--direction', 'in', '--seconds', '5'],
    [
      'censor',
      '--nodes',
      '12',
      '--sybils',
      '3',
      '--warm',
      '25',
      '--attack',
      '30',
      '--seconds',
      '15',
      '--promise',
      '0.9',
    ],
    ['takeover', '--nodes', '26', '--tries', '1000', '--warm', '25', '--seconds', '10', '--promise', '0.95'],
  ])('holds small: %s', async (...args) => {
    const { code, out, runs } = await simulate(...args, '--json');
    expect(code, out).toBe(0);
    expect(runs[0]).toMatchObject({ scenario: args[0], seed: 1, violations: [] });
    for (const value of Object.values(runs[0].figures)) expect(value).toEqual(expect.any(Number));
  });

  it('draw a picture', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'pulsemesh-plot-')), 'sampling.svg');
    await simulate('sampling', '--nodes', '20', '--seconds', '60', '--plot', file, '--seed', '9');
    const svg = readFileSync(file, 'utf8');
    expect(svg).toContain('Attackers in the views of honest nodes');
    expect(svg).toContain('seed 9, nodes 20');
  });

  it('play comings and goings from a file', async () => {
    const trace = join(mkdtempSync(join(tmpdir(), 'pulsemesh-trace-')), 'trace');
    writeFileSync(trace, '1 0 down\n2 1 down\n20 0 up\n');
    const { code, runs } = await simulate('churn', '--nodes', '8', '--seconds', '30', '--trace', trace, '--json');
    expect(code).toBe(0);
    expect(runs[0].figures.expected).toBeLessThan(30 * 7);
  });

  it('exit with 1 and say how to run it again when something broke', async () => {
    const args = '--nodes 3 --sybils 60 --links 6 --warm 3 --attack 1 --seconds 2 --promise 1 --seed 1';
    const { code, out } = await simulate('silent', ...args.split(' '));
    expect(code).toBe(1);
    expect(out).toContain('silent seed 1: BROKEN');
    expect(out).toContain('again: npm run simulate -- silent --seed 1 --nodes 3 --sybils 60');
  });

  it('say what is wrong with how they were called, and exit with 2', async () => {
    expect((await simulate('rings', '--nodes', '1')).code).toBe(2);
    expect((await simulate('nothing')).out).toContain('no scenario "nothing"');
    expect((await simulate('rings', '--help')).out).toContain('--nodes N');
  });
});
