import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

it('runs as the README shows it', async () => {
  const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8');
  expect(await read('../README.md')).toContain((await read('./example.ts')).trim());
  await import('./example.ts');
});
