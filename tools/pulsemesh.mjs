#!/usr/bin/env node
// The `pulsemesh` command from a checkout: sets up what is missing, then runs the CLI.
import { runEntry } from './run.mjs';
import { ensureInstalled } from './setup.mjs';

try {
  runEntry(ensureInstalled(), 'apps/cli/src/main.ts', process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
