import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = globSync('packages/*', { cwd: root }).sort();

describe.each(packages)('%s', (directory) => {
  const path = join(root, directory, 'README.md');

  it('has a README whose example runs', () => {
    expect(existsSync(path), 'README.md').toBe(true);
    const example = /```ts\n(.*?)```/s.exec(readFileSync(path, 'utf8'))?.[1];
    expect(example, 'a ```ts block').toBeDefined();
    // A text given to Node resolves packages from the working directory, as a file of the root would.
    const run = spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', example ?? ''], {
      cwd: root,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(run.stderr.replaceAll(/.*Warning.*\n|.*--trace-warnings.*\n/g, '')).toBe('');
    expect(run.status).toBe(0);
  });
});
