import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFloors } from './check-floors.ts';
import { checkTidy } from './tidy.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let house: string;

function write(path: string, content: string): void {
  mkdirSync(dirname(join(house, path)), { recursive: true });
  writeFileSync(join(house, path), content);
}

function manifest(directory: string, name: string, layer: number, dependencies: readonly string[]): void {
  const entries = dependencies.map((dependency) => [`@pulsemesh/${dependency}`, '*']);
  write(
    `${directory}/package.json`,
    JSON.stringify({
      name: `@pulsemesh/${name}`,
      type: 'module',
      layer,
      exports: './src/index.ts',
      dependencies: Object.fromEntries(entries),
    }),
  );
}

beforeEach(() => {
  house = mkdtempSync(join(tmpdir(), 'pulsemesh-house-'));
  manifest('packages/base', 'base', 0, []);
  manifest('packages/wire', 'wire', 1, ['base']);
  manifest('packages/store', 'store', 1, ['base', 'wire']);
  write('packages/base/src/index.ts', 'export const one = 1;\n');
  write('packages/wire/src/index.ts', "export { one as two } from '@pulsemesh/base';\n");
});
afterEach(() => rmSync(house, { recursive: true, force: true }));

describe('the floor check', () => {
  it('finds nothing where imports point down', () => {
    expect(checkFloors(house)).toEqual([]);
  });

  it.each([
    [
      'an upward import',
      'packages/base/src/bad.ts',
      "import { two } from '@pulsemesh/wire';\nexport const x = two;",
      'is not below',
    ],
    ['a sideways import', 'packages/store/src/bad.ts', "export * from '@pulsemesh/wire';", 'is not below'],
    [
      'an upward import of a type',
      'packages/base/src/bad.ts',
      "export type X = import('@pulsemesh/wire').X;",
      'is not below',
    ],
    ['a dynamic import', 'packages/base/src/bad.ts', "export const x = import('@pulsemesh/wire');", 'is not below'],
    ['an undeclared dependency', 'packages/wire/src/bad.ts', "export * from '@pulsemesh/cellar';", 'names no package'],
    [
      'a path out of the package',
      'packages/wire/src/bad.ts',
      "export * from '../../base/src/index.ts';",
      'leaves the package',
    ],
    [
      'a way past the front door',
      'packages/wire/src/bad.ts',
      "export * from '@pulsemesh/base/src/index.ts';",
      'front door',
    ],
  ])('finds %s', (_name, path, content, expected) => {
    write(path, `${content}\n`);
    const faults = checkFloors(house);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(path);
    expect(faults[0]).toContain(expected);
  });
});

describe('the tidy check', () => {
  const longBody = (lines: number) => `export function long(): void {\n${'  void 0;\n'.repeat(lines - 2)}}\n`;

  it.each([
    ['the real time', 'export const t = Date.now();', 'Date.now outside base'],
    ['the real time, measured', 'export const t = performance.now();', 'performance.now outside base'],
    ['a Date of now', 'export const t = new Date();', 'new Date() outside base'],
    ['unseeded chance', 'export const r = Math.random();', 'Math.random outside base'],
    ['a bare timer', 'setTimeout(() => {}, 1);', 'bare setTimeout'],
    ['the console', "console.log('x');", 'console outside the apps'],
    ['a TODO without a number', `// ${'TO'}DO later\nexport const x = 1;`, 'without an issue number'],
  ])('finds %s', (_name, content, expected) => {
    write('packages/wire/src/bad.ts', `${content}\n`);
    const faults = checkTidy(house, {});
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(expected);
  });

  it('allows time and chance in base and in tests', () => {
    write('packages/base/src/clock.ts', 'export const now = () => Date.now() + Math.random();\n');
    write('packages/wire/src/a.test.ts', 'setTimeout(() => {}, 1);\n');
    expect(checkTidy(house, {})).toEqual([]);
  });

  it('finds a function that is too long, and one that grew past its ratchet', () => {
    write('packages/wire/src/long.ts', longBody(80));
    expect(checkTidy(house, {})[0]).toContain('long has 80 lines');
    expect(checkTidy(house, { 'packages/wire/src/long.ts:long': 80 })).toEqual([]);
    expect(checkTidy(house, { 'packages/wire/src/long.ts:long': 79 })[0]).toContain('grew to 80');
  });

  it('wants a ratchet entry removed once its function is short', () => {
    expect(checkTidy(house, { 'packages/wire/src/gone.ts:gone': 90 })[0]).toContain('remove it');
  });
});

describe('the outside checks', () => {
  const run = (script: string, ...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], { cwd: house, encoding: 'utf8' });

  beforeEach(() => {
    symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'), 'junction');
    for (const file of ['biome.json', 'tsconfig.base.json', 'tsconfig.json', 'knip.json'])
      cpSync(join(root, file), join(house, file));
    write('.gitignore', 'node_modules\n');
    // The real packages are what `@pulsemesh/base` resolves to here: this one stands alone.
    write('packages/wire/src/index.ts', 'export const two = 2;\n');
    spawnSync('git', ['init', '-q'], { cwd: house });
    write('package.json', '{ "name": "house", "private": true, "type": "module", "workspaces": ["packages/*"] }\n');
  });

  it('the linter finds bad format, a missing extension and a floating promise', () => {
    const biome = () => run('@biomejs/biome/bin/biome', 'ci', '--colors=off', 'packages/wire/src');
    expect(biome().status).toBe(0);
    write('packages/wire/src/bad.ts', 'export const   x = "1"\n');
    expect(biome().status).not.toBe(0);
    write('packages/wire/src/bad.ts', "export { two } from './index';\n");
    expect(biome().stderr).toContain('useImportExtensions');
    write('packages/wire/src/bad.ts', 'async function go(): Promise<void> {}\ngo();\n');
    expect(biome().stderr).toContain('noFloatingPromises');
  });

  it('the compiler finds a type error and syntax that cannot be stripped', () => {
    const tsc = () => run('typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json');
    expect(tsc().stdout).toBe('');
    write('packages/base/src/bad.ts', "export const x: number = 'one';\n");
    expect(tsc().stdout).toContain('TS2322');
    write('packages/base/src/bad.ts', 'export enum Colour { Red }\n');
    expect(tsc().stdout).toContain('TS1294');
  });

  it('knip finds a file that nobody uses and an export that nobody imports', () => {
    write('packages/wire/src/orphan.ts', 'export const orphan = 1;\n');
    write('packages/wire/src/index.ts', "export { two } from './numbers.ts';\n");
    write('packages/wire/src/numbers.ts', 'export const two = 2;\nexport const three = 3;\n');
    const { stdout, status } = run('knip/bin/knip.js', '--no-progress');
    expect(status).not.toBe(0);
    expect(stdout).toContain('packages/wire/src/orphan.ts');
    expect(stdout).toMatch(/three.*packages\/wire\/src\/numbers\.ts/);
  });
});
