import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('the example runs as written, under the real Node', async () => {
  const file = fileURLToPath(new URL('../examples/echo.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 50_000 });
  expect(stdout).toBe('a heartbeat\n');
});
