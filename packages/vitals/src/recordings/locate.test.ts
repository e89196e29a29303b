import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { locateRecordings } from './locate.ts';

describe('the place of the public recordings', () => {
  it('is where the environment says, that folder or the one it lies in', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pulsemesh-locate-'));
    await mkdir(join(folder, 'rr'));
    expect(locateRecordings({ PULSEMESH_RECORDINGS: folder })).toBe(folder);
    expect(locateRecordings({ PULSEMESH_RECORDINGS: join(folder, 'rr') })).toBe(folder);
    await rm(folder, { recursive: true });
  });

  it('may be nowhere, but not where CI asks for them', () => {
    const nowhere = join(tmpdir(), 'pulsemesh-no-such-folder', 'at-all');
    expect(locateRecordings({ PULSEMESH_RECORDINGS: nowhere })).toBeNull();
    expect(() => locateRecordings({ PULSEMESH_RECORDINGS: nowhere, CI: 'true' })).toThrow('CI asks for them');
  });
});
