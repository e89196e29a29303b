import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let scratch: string;
let checkout: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'pulsemesh-setup-test-'));
  checkout = join(scratch, 'checkout');
  // A checkout whose packages are those of this one: set-up must find nothing to install.
  mkdirSync(join(checkout, 'tools'), { recursive: true });
  for (const path of ['tools/setup.mjs', 'package-lock.json', 'package.json', 'tsconfig.base.json']) {
    cpSync(join(root, path), join(checkout, path));
  }
  for (const path of ['apps/web', 'packages/node/src/api']) {
    cpSync(join(root, path), join(checkout, path), { recursive: true, filter: (name) => !name.includes('dist') });
  }
  // Its own folder of links, and its own stamp: should set-up install after all, it must not empty the folder linked to.
  const packages = join(checkout, 'node_modules');
  mkdirSync(packages);
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '.pulsemesh-stamp') symlinkSync(join(root, 'node_modules', name), join(packages, name), 'junction');
  }
  const lock = createHash('sha256')
    .update(readFileSync(join(checkout, 'package-lock.json')))
    .digest('hex');
  writeFileSync(join(packages, '.pulsemesh-stamp'), lock);
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function setUp(data = join(scratch, 'data')) {
  const env = { ...process.env, PULSEMESH_DATA: data };
  return spawnSync(process.execPath, [join(checkout, 'tools/setup.mjs')], { env, encoding: 'utf8', cwd: scratch });
}

describe('set-up', () => {
  it('installs nothing that is there, builds the page once, and builds it again when it changes', () => {
    const first = setUp();
    expect([first.status, first.stderr]).toEqual([0, 'Building the web page …\n']);
    expect(existsSync(join(checkout, 'apps/web/dist/index.html'))).toBe(true);
    expect(setUp().stderr).toBe('');
    const page = join(checkout, 'apps/web/index.html');
    writeFileSync(page, `${readFileSync(page, 'utf8')}<!-- changed -->\n`);
    expect(setUp().stderr).toBe('Building the web page …\n');
  });

  it('says in a sentence what is wrong when the page cannot be built', () => {
    writeFileSync(join(checkout, 'apps/web/index.html'), '<script type="module" src="/src/missing.tsx"></script>');
    const { status, stderr } = setUp();
    expect(status).toBe(1);
    expect(stderr).toContain('The web page could not be built');
  });

  it('keeps state in the named data directory, else in the user’s, never in the checkout', async () => {
    const setup = (await import(pathToFileURL(join(root, 'tools/setup.mjs')).href)) as { dataDirectory(): string };
    const before = { ...process.env };
    try {
      process.env['PULSEMESH_DATA'] = scratch;
      expect(setup.dataDirectory()).toBe(scratch);
      delete process.env['PULSEMESH_DATA'];
      expect(setup.dataDirectory().startsWith(root)).toBe(false);
    } finally {
      process.env = before;
    }
  });
});
