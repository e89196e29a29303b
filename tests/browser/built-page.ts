import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The folder of the web application. */
const webRoot = fileURLToPath(new URL('../../apps/web/', import.meta.url));
const vite = fileURLToPath(new URL('../../node_modules/vite/bin/vite.js', import.meta.url));

/**
 * Builds the page into a new temporary folder; disposing removes it. In a process of its own, since a test
 * runner's environment would make it a development build.
 */
export async function buildPage(): Promise<{ readonly directory: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-page-'));
  await promisify(execFile)(process.execPath, [vite, 'build', webRoot, '--logLevel', 'error'], {
    env: { ...process.env, NODE_ENV: 'production', PULSEMESH_WEB_OUT: directory },
  });
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}
