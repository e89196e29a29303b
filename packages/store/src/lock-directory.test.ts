import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockDirectory } from './lock-directory.ts';

it('lets one holder have a directory at a time', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-lock-'));
  try {
    const place = join(directory, 'new');
    {
      using _first = lockDirectory(place);
      expect(() => lockDirectory(place)).toThrow(expect.objectContaining({ code: 'store-in-use', retryable: true }));
    }
    lockDirectory(place)[Symbol.dispose]();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
