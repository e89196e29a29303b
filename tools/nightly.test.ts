import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

interface Part {
  readonly about: string;
  readonly run?: readonly string[];
  readonly tests?: readonly string[];
  readonly without?: readonly string[];
  readonly fault?: (log: string) => string | null;
}

interface Nightly {
  readonly nightlyParts: Record<string, Part>;
  readonly parseNightly: (
    args: readonly string[],
    now?: Date,
  ) => { readonly names: readonly string[]; readonly logs: string };
  readonly argsOf: (part: Part, root: string) => readonly string[];
  readonly runNightly: (
    installed: { readonly root: string; readonly node: string },
    wanted: { readonly names: readonly string[]; readonly logs: string },
    say: (line: string) => void,
  ) => Promise<number>;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const path: string = './nightly-parts.mjs'; // plain JavaScript, so that it starts before anything is installed
const { nightlyParts, parseNightly, argsOf, runNightly } = (await import(path)) as Nightly;
const scratch = mkdtempSync(join(tmpdir(), 'pulsemesh-nightly-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('the nightly’s arguments', () => {
  it('name parts, each once, or mean all; logs go to a folder of the moment', () => {
    const now = new Date('2026-01-02T03:04:05.678Z');
    expect(parseNightly([], now)).toEqual({
      names: Object.keys(nightlyParts),
      logs: join('nightly-logs', '2026-01-02T03-04-05-678Z'),
    });
    expect(parseNightly(['kills', '--logs', '/x', 'faults', 'kills'])).toEqual({
      names: ['kills', 'faults'],
      logs: '/x',
    });
  });

  it.each([[['fault']], [['toString']], [['--verbose']], [['--logs']]])(
    'are refused where they make no sense: %s',
    (args) => {
      expect(() => parseNightly(args)).toThrow(RangeError);
    },
  );
});

describe('the nightly’s parts', () => {
  it('name files that are there, and the rest leaves out what another part runs', () => {
    for (const { tests = [], run = [] } of Object.values(nightlyParts)) {
      for (const file of [...tests, ...run.filter((arg) => arg.endsWith('.ts'))]) {
        expect([file, existsSync(join(root, file))]).toEqual([file, true]);
      }
    }
    const own = Object.entries(nightlyParts).flatMap(([name, { tests = [] }]) => (name === 'demo' ? [] : tests));
    expect([...(nightlyParts['rest']?.without ?? [])].sort()).toEqual([...own].sort());
    expect(argsOf(nightlyParts['rest'] as Part, '/root')).toContain('packages/overlay/src/interest/**');
  });

  it('say each in a line how they ended, and keep what they wrote', async () => {
    nightlyParts['fine'] = { about: '', run: ['--print', 'process.env.PULSEMESH_TABLES'] };
    nightlyParts['broken'] = { about: '', run: ['--eval', 'console.error("why"); process.exit(3)'] };
    nightlyParts['large'] = { ...(nightlyParts['memory'] as Part), run: ['--print', '\'{"rssMiB":99999}\''] };
    nightlyParts['silent'] = { ...(nightlyParts['memory'] as Part), run: ['--print', '1'] };
    const lines: string[] = [];
    const names = ['fine', 'broken', 'large', 'silent'];
    const failed = await runNightly({ root, node: process.execPath }, { names, logs: scratch }, (line) =>
      lines.push(line),
    );
    for (const name of names) delete nightlyParts[name];
    expect(failed).toBe(3);
    expect(lines.map((line) => line.replace(/ \(\d+ s\).*/, '').replace(/ +/g, ' '))).toEqual([
      'fine passed',
      'broken FAILED: it ended with 3',
      'large FAILED: 99999 MiB',
      'silent FAILED: it does not say how much memory it used',
      '1 passed, 3 failed',
    ]);
    expect(readFileSync(join(scratch, 'fine.log'), 'utf8')).toBe('full\n');
    expect(readFileSync(join(scratch, 'broken.log'), 'utf8')).toBe('why\n');
  });
});
