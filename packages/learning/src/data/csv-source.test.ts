import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCsvSource, csvLimits } from './csv-source.ts';
import type { DataQuery } from './query.ts';

const query: DataQuery = {
  name: 'pulse',
  version: 1,
  about: 'resting pulse and age',
  columns: [
    { name: 'pulse', unit: 'bpm', about: 'at rest', low: 20, high: 250 },
    { name: 'age', unit: 'years', about: 'at the visit', low: 0, high: 120 },
  ],
  label: 'fibrillation was diagnosed',
};
const all = new Set(['anna', 'ben', 'carl']);
let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-csv-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const put = (name: string, text: string | Uint8Array) => writeFile(join(directory, name), text);
const read = (patients: ReadonlySet<string> = all) => createCsvSource({ directory }).read(query, patients);

describe('a folder of CSV', () => {
  it('gives the wanted columns of the wanted patients, of all files in order', async () => {
    await put('b.csv', 'patient,label,age,pulse,note\r\nben,0,50,70,x\r\ndora,1,60,80,y\r\n');
    await put('a.csv', '\uFEFFpulse,age,label,patient\n61.5,40,1,anna\n6.2e1,41,0,anna\n');
    await put('readme.txt', 'not a table');
    const { table, rowsLeftOut } = await read();
    expect(table.columns).toEqual(['pulse', 'age']);
    expect([...table.values]).toEqual([61.5, 40, 62, 41, 70, 50]);
    expect([...table.labels]).toEqual([1, 0, 0]);
    expect(table.patients).toEqual(['anna', 'ben']);
    expect([...table.patientOfRow]).toEqual([0, 0, 1]);
    expect(rowsLeftOut).toBe(0);
  });

  it('leaves out rows with a value missing or no measurement, and counts them', async () => {
    await put('a.csv', 'patient,pulse,age,label\nanna,,40,1\nanna,999,40,1\nanna,60,40,\nanna,60,40,1\ndora,,1,1\n');
    expect((await read()).rowsLeftOut).toBe(3);
  });

  it('grows over many rows', async () => {
    await put('a.csv', `patient,pulse,age,label\n${'anna,60,40,1\nben,70,50,0\n'.repeat(3000)}`);
    const { table } = await read(new Set(['ben']));
    expect(table.labels.length).toBe(3000);
    expect(new Set(table.values)).toEqual(new Set([70, 50]));
  });

  it.each([
    ['another number of fields', 'patient,pulse,age,label\nanna,60,40\n'],
    ['no number', 'patient,pulse,age,label\nanna,0x10,40,1\n'],
    ['no number', 'patient,pulse,age,label\nanna,NaN,40,1\n'],
    ['no number', `patient,pulse,age,label\nanna,${'9'.repeat(40)},40,1\n`],
    ['no number', 'patient,pulse,age,label\nanna,"60",40,1\n'],
    ['no patient', 'patient,pulse,age,label\n=cmd(),60,40,1\n'],
    ['no patient', 'patient,pulse,age,label\n../../etc,60,40,1\n'],
    ['0 or 1', 'patient,pulse,age,label\nanna,60,40,2\n'],
    ['missing', 'patient,pulse,label\nanna,60,1\n'],
    ['one name', 'patient,pulse,age,label,age\n'],
    ['no header', ''],
    ['missing', '__proto__,constructor\n'],
  ])('refuses a file with %s, saying where and not what', async (word, text) => {
    await put('a.csv', text);
    const error = await read().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'data-malformed', message: expect.stringContaining(word) });
    expect(String(error)).toContain('a.csv, line');
    expect(String(error)).not.toContain('anna');
  });

  it('refuses bytes that are no text, lines without end, too many columns', async () => {
    await put('a.csv', Uint8Array.of(0xff, 0xfe, 0x00, 0x0a));
    await expect(read()).rejects.toMatchObject({ code: 'data-malformed' });
    await put('a.csv', 'x'.repeat(csvLimits.lineLengthMax + 100_000));
    await expect(read()).rejects.toMatchObject({ facts: { limit: 'lineLengthMax' } });
    await put('a.csv', `${Array.from({ length: csvLimits.columnsMax + 1 }, (_, index) => `c${index}`).join()}\n`);
    await expect(read()).rejects.toMatchObject({ facts: { limit: 'columnsMax' } });
  });

  it('follows no links, and says when the folder is not there', async () => {
    await put('real.txt', 'patient,pulse,age,label\nanna,60,40,1\n');
    await symlink(join(directory, 'real.txt'), join(directory, 'link.csv'));
    expect((await read()).table.labels.length).toBe(0);
    const missing = createCsvSource({ directory: join(directory, 'nowhere') });
    await expect(missing.read(query, all)).rejects.toMatchObject({ code: 'data-missing', facts: { why: 'ENOENT' } });
  });
});
