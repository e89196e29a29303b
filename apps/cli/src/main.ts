import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { dataDirectory } from '@pulsemesh/node/data-directory';

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(`pulsemesh: Node 24 or newer is needed, this is ${process.version}. \`npm start\` brings it.\n`);
  process.exit(2);
}
cacheCompiledCode();
// Loaded only now, so that it comes from the cache.
const [{ processOutput }, { runProgram }] = await Promise.all([import('./output.ts'), import('./program.ts')]);
const exitCode = await runProgram(process.argv.slice(2), processOutput);
// Kept-alive connections would hold the process for seconds; what was written is let out first.
process.stdout.write('', () => process.exit(exitCode));

function cacheCompiledCode(): void {
  try {
    enableCompileCache(join(dataDirectory(), 'compile-cache'));
  } catch {
    // Without a usable data directory the start is slower; the command says itself what is wrong with it.
  }
}
