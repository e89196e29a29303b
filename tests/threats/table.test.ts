import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const page = new URL('../../docs/threat-model/README.md', import.meta.url);
const text = readFileSync(page, 'utf8');
const rows = text.split('\n').filter((line) => /^\| \d+ \|/.test(line));
const links = rows.flatMap((row) =>
  [...row.matchAll(/\[([^\]]+)\]\(([^)\s]+)\)/g)].map(([, name = '', target = '']) => ({ name, target })),
);

describe('the table of threats', () => {
  it('names only tests that are there, by the name they have there', () => {
    expect(links.length).toBeGreaterThan(80);
    for (const { name, target } of links) {
      const file = fileURLToPath(new URL(target, page));
      // A contract suite is run by the tests of each implementation.
      expect([target, existsSync(file) && /(\.test|-contract)\.tsx?$/.test(file)]).toEqual([target, true]);
      const source = readFileSync(file, 'utf8').replaceAll("\\'", "'");
      const isTitle = source.includes(`'${name}',`) || source.includes(`"${name}",`);
      expect([target, name, isTitle]).toEqual([target, name, true]);
    }
  });

  it('has every number once, now or later', () => {
    const later = text.split('\n').filter((line) => /^\| \d+, /.test(line));
    const numbers = [...rows, ...later].flatMap((row) => (row.split('|')[1] ?? '').split(',').map(Number));
    expect(numbers.sort((one, other) => one - other)).toEqual(Array.from({ length: 67 }, (_, index) => index + 1));
  });
});
