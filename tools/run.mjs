// Runs a TypeScript entry of the project under the right Node, after set-up: `node tools/run.mjs FILE ARGS…`.
// Paths in ARGS mean what they mean where the user typed them.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled } from './setup.mjs';

/** Spawns `file` (relative to the checkout) and takes over its exit; signals are passed on. */
export function runEntry({ root, node }, file, args, env = {}) {
  const child = spawn(node, [join(root, file), ...args], {
    stdio: 'inherit',
    cwd: process.env.INIT_CWD ?? process.cwd(),
    env: { ...process.env, ...env },
  });
  // The terminal sends Ctrl-C to the whole group; a second copy of the signal would read as "now, at once".
  const ignore = () => {};
  process.on('SIGINT', ignore);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => {
    process.exitCode = signal ? 128 : (code ?? 1);
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const [file, ...args] = process.argv.slice(2);
  try {
    runEntry(ensureInstalled(), file, args);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
