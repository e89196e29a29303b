// `npm start`: sets up what is missing, then starts the demo network on this machine.
import { runEntry } from './run.mjs';
import { ensureInstalled, ensureWebBuilt } from './setup.mjs';

try {
  const installed = ensureInstalled();
  const web = ensureWebBuilt(installed);
  runEntry(installed, 'apps/cli/src/main.ts', ['start', ...process.argv.slice(2)], { PULSEMESH_WEB: web });
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
