#!/usr/bin/env node
// Stands in for the native compiler that forge calls: the same compiler, built to WebAssembly and installed with the other packages, so
// that nothing is fetched. Answers `--version` and `--standard-json`.
import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const solc = createRequire(import.meta.url)('solc');

/** Libraries lie above the project, where forge hands over some of them under another name than their importers use. */
function findImport(name) {
  try {
    return { contents: readFileSync(resolve(name), 'utf8') };
  } catch {
    return { error: `${name} is not there` };
  }
}

/** A pipe takes 64 KiB at a time, and exiting after an asynchronous write cuts the rest off. */
function writeAll(text) {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(1, bytes, offset);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

if (process.argv.includes('--standard-json')) {
  writeAll(solc.compile(readFileSync(0, 'utf8'), { import: findImport }));
} else {
  writeAll(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
}
