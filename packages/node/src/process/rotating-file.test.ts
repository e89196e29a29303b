import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createRotatingFile } from './rotating-file.ts';

it('keeps the newest lines and never more than its bound', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-log-'));
  const file = join(directory, 'node.log');
  const log = createRotatingFile({ file, bytesMax: 100, keptMax: 2 });
  for (let line = 0; line < 100; line += 1) log.write(`line ${String(line).padStart(4, '0')}\n`);
  expect(readdirSync(directory).sort()).toEqual(['node.log', 'node.log.1', 'node.log.2']);
  expect(readFileSync(file, 'utf8')).toContain('line 0099');
  for (const name of readdirSync(directory)) {
    expect(readFileSync(join(directory, name), 'utf8').length).toBeLessThanOrEqual(100);
  }
});
