import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockDataDirectory } from './lock.ts';

it('lets one process at a time have a data directory, and says who has it', () => {
  const directory = join(mkdtempSync(join(tmpdir(), 'pulsemesh-lock-')), 'data');
  const first = lockDataDirectory(directory, 4711);
  expect(() => lockDataDirectory(directory)).toThrow(/another Pulsemesh \(process 4711\) is running on/);
  first[Symbol.dispose]();
  lockDataDirectory(directory)[Symbol.dispose]();
});
