import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeDirectory } from './make-directory.ts';

const base = mkdtempSync(join(tmpdir(), 'pulsemesh-directory-'));
afterAll(() => rmSync(base, { recursive: true }));

describe('making a directory', () => {
  it('makes the parents it lacks, and nothing where it is there', () => {
    const directory = join(base, 'a', 'b', 'c');
    makeDirectory(directory);
    makeDirectory(directory);
    expect(statSync(directory).isDirectory()).toBe(true);
    if (process.platform !== 'win32') expect(statSync(join(base, 'a')).mode & 0o777).toBe(0o700);
  });

  it('says so where a file is in the way', () => {
    const file = join(base, 'file');
    writeFileSync(file, '');
    expect(() => makeDirectory(file)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(() => makeDirectory(join(file, 'below'))).toThrow();
  });

  it.skipIf(!existsSync('/proc/self'))('says so where a parent takes no directories, and does not try for ever', () => {
    expect(() => makeDirectory('/proc/x/y')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});
