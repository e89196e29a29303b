// `npm run nightly`: what takes too long for every change. `npm run nightly -- faults kills` runs parts of it, `-- --help` lists
// them. One line a part; exits 1 where one failed; whole logs lie in `nightly-logs/` (or `--logs FOLDER`).
import { nightlyParts, parseNightly, runNightly } from './nightly-parts.mjs';
import { ensureInstalled } from './setup.mjs';

const args = process.argv.slice(2);
try {
  if (args.includes('--help')) {
    process.stdout.write('npm run nightly -- [--logs FOLDER] [PART…], where PART is one of:\n');
    for (const [name, { about }] of Object.entries(nightlyParts))
      process.stdout.write(`  ${name.padEnd(12)} ${about}\n`);
  } else {
    const wanted = parseNightly(args);
    process.exitCode = (await runNightly(ensureInstalled(), wanted)) === 0 ? 0 : 1;
  }
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
