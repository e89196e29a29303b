import { expect, it } from 'vitest';
import { createLineReader } from './line-reader.ts';

it('puts lines together from any pieces and skips one that is too long', () => {
  const lines: string[] = [];
  const read = createLineReader((line) => lines.push(line), 10);
  for (const piece of ['a', 'b\nc', 'd\n', 'x'.repeat(8), 'y'.repeat(8), 'z\nlast\n']) read(piece);
  expect(lines).toEqual(['ab', 'cd', 'last']);
});
