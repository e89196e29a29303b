import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@pulsemesh/base';

/** Directories of measured runs kept beside the new one. */
const keptMax = 2;

/**
 * A new directory for a measured run, so that it starts from nothing and leaves what was there alone. Of earlier
 * runs the newest stay, to be looked into.
 */
export function freshRunDirectory(dataDirectory: string, clock: Clock): string {
  const runs = join(dataDirectory, 'runs');
  mkdirSync(runs, { recursive: true, mode: 0o700 });
  const earlier = readdirSync(runs).sort();
  for (const name of earlier.slice(0, Math.max(0, earlier.length - keptMax))) {
    rmSync(join(runs, name), { recursive: true, force: true });
  }
  const name = new Date(clock.now()).toISOString().replace(/[:.]/g, '-');
  const directory = join(runs, name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}
