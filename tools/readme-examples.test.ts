import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = globSync(['packages/*', 'simulation'], { cwd: root }).sort();

describe.each(packages)('%s', (directory) => {
  const path = join(root, directory, 'README.md');

  it('has a README whose example runs', () => {
    expect(existsSync(path), 'README.md').toBe(true);
    const example = /```ts\n(.*?)```/s.exec(readFileSync(path, 'utf8'))?.[1];
    expect(example, 'a ```ts block').toBeDefined();
    // A file beside a link to the packages sees them as a user's project does.
    const project = mkdtempSync(join(tmpdir(), 'pulsemesh-readme-'));
    symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'), 'junction');
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(project, 'example.ts'), example ?? '');
    const run = spawnSync(process.execPath, ['example.ts'], { cwd: project, encoding: 'utf8', timeout: 60_000 });
    rmSync(project, { recursive: true, force: true });
    expect(run.stderr.replaceAll(/.*Warning.*\n|.*--trace-warnings.*\n/g, '')).toBe('');
    expect(run.status).toBe(0);
  });
});
