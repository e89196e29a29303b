import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';
import { ConfigError } from './config-error.ts';

/** What the place of the data depends on; the process's own by default, given in tests. */
export interface PlatformFacts {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/**
 * Where this installation keeps its data: `PULSEMESH_DATA`, else the platform's directory for a user's
 * application data. Never inside the checkout, which may be read-only. The directory is not made here.
 * @throws {ConfigError} when `PULSEMESH_DATA` is not an absolute path.
 */
export function dataDirectory(facts: PlatformFacts = processFacts()): string {
  const { platform, env, home } = facts;
  const path = platform === 'win32' ? win32 : posix;
  const chosen = env['PULSEMESH_DATA'];
  if (chosen !== undefined && chosen !== '') {
    if (!path.isAbsolute(chosen)) throw new ConfigError('PULSEMESH_DATA', 'must be an absolute path');
    return path.normalize(chosen);
  }
  if (platform === 'win32') return path.join(env['LOCALAPPDATA'] ?? path.join(home, 'AppData', 'Local'), 'Pulsemesh');
  if (platform === 'darwin') return path.join(home, 'Library', 'Application Support', 'Pulsemesh');
  const shared = env['XDG_DATA_HOME'];
  // The XDG specification: a relative path here is to be ignored.
  const base = shared !== undefined && path.isAbsolute(shared) ? shared : path.join(home, '.local', 'share');
  return path.join(base, 'pulsemesh');
}

function processFacts(): PlatformFacts {
  return { platform: process.platform, env: process.env, home: homedir() };
}
