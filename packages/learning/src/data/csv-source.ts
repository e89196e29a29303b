import { createReadStream, type Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@pulsemesh/base';
import { DataError, type DataQuery } from './query.ts';
import type { RecordSource } from './record-source.ts';

/** What a folder of CSV may hold. */
export const csvLimits = {
  filesMax: 1000,
  fileBytesMax: 256 * 1024 * 1024,
  rowsMax: 5_000_000,
  lineLengthMax: 64 * 1024,
  columnsMax: 1024,
  patientsMax: 1_000_000,
} as const;

/**
 * Reads the `*.csv` files that lie in a folder (no folders below it, no links out of it), in order of name: a header with a column
 * `patient`, the query's columns, `label` where the query has one, others being passed over; then one record a line,
 * numbers with a decimal point. Quotes are refused, since nothing in such a file needs them.
 */
export function createCsvSource(options: { readonly directory: string }): RecordSource {
  return {
    async read(query, patients) {
      const rows = new Rows(query, patients);
      for (const file of await filesOf(options.directory)) await readFile(join(options.directory, file), file, rows);
      return rows.finish();
    },
  };
}

async function filesOf(directory: string): Promise<readonly string[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (cause) {
    throw new DataError('data-missing', 'the folder of records cannot be read', {
      facts: { why: errorCode(cause) },
      cause,
    });
  }
  const files = entries.filter((entry) => entry.isFile() && /\.csv$/i.test(entry.name)).map(({ name }) => name);
  if (files.length > csvLimits.filesMax) throw tooLarge('', 'filesMax');
  return files.sort();
}

async function readFile(path: string, file: string, rows: Rows): Promise<void> {
  try {
    if ((await stat(path)).size > csvLimits.fileBytesMax) throw tooLarge(file, 'fileBytesMax');
    let line = 0;
    let header: Header | null = null;
    for await (const text of linesOf(path, file)) {
      line += 1;
      if (header === null) header = headerOf(text.replace(/^\uFEFF/, ''), { file, line }, rows.query);
      else if (text !== '') rows.add(text, header, { file, line });
    }
    if (header === null) throw malformed({ file, line: 1 }, 'no header');
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError('data-missing', 'a file of records cannot be read', {
      facts: { file, why: errorCode(cause) },
      cause,
    });
  }
}

/** Lines without their ends; never more of the file in memory than a line and what was read with it. */
async function* linesOf(path: string, file: string): AsyncGenerator<string> {
  let rest = '';
  let line = 0;
  // Bytes that are no text come as U+FFFD, which no number or name holds.
  for await (const chunk of createReadStream(path, { encoding: 'utf8' }) as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const each of lines) yield checked(each);
    if (rest.length > csvLimits.lineLengthMax) checked(rest);
  }
  if (rest !== '') yield checked(rest);

  function checked(text: string): string {
    line += 1;
    if (text.length > csvLimits.lineLengthMax) throw tooLarge(file, 'lineLengthMax', line);
    return text.endsWith('\r') ? text.slice(0, -1) : text;
  }
}

interface Place {
  readonly file: string;
  readonly line: number;
}

interface Header {
  readonly width: number;
  readonly patient: number;
  /** −1 where the query has no label. */
  readonly label: number;
  readonly columns: readonly number[];
}

function headerOf(text: string, place: Place, query: DataQuery): Header {
  const names = text.split(',').map((name) => name.trim());
  if (names.length > csvLimits.columnsMax) throw tooLarge(place.file, 'columnsMax');
  if (new Set(names).size < names.length) throw malformed(place, 'two columns of one name');
  const placeOf = (name: string) => {
    const at = names.indexOf(name);
    if (at === -1) throw malformed(place, 'a column of the query is missing');
    return at;
  };
  return {
    width: names.length,
    patient: placeOf('patient'),
    label: query.label === null ? -1 : placeOf('label'),
    columns: query.columns.map(({ name }) => placeOf(name)),
  };
}

/** Rows as they come: numbers in one growing array, since a million small objects would not fit. */
class Rows {
  readonly query: DataQuery;
  readonly #wanted: ReadonlySet<string>;
  readonly #places = new Map<string, number>();
  #values = new Float64Array(1024);
  #labels = new Uint8Array(64);
  #patients = new Uint32Array(64);
  #count = 0;
  #leftOut = 0;

  constructor(query: DataQuery, wanted: ReadonlySet<string>) {
    this.query = query;
    this.#wanted = wanted;
  }

  add(text: string, header: Header, place: Place): void {
    const fields = text.split(',');
    if (fields.length !== header.width) throw malformed(place, 'another number of fields than the header');
    const patient = (fields[header.patient] as string).trim(); // within the width, as all places of a header
    if (!/^[\w.@:-]{1,128}$/.test(patient)) throw malformed(place, 'no patient’s name');
    const values = header.columns.map((at, index) => this.#valueOf(fields[at] as string, index, place));
    const label = header.label === -1 ? 0 : labelOf(fields[header.label] as string, place);
    // Whoever did not consent is not even counted.
    if (!this.#wanted.has(patient)) return;
    if (values.includes(null) || label === null) {
      this.#leftOut += 1;
      return;
    }
    this.#push(patient, values as number[], label); // no null among them
  }

  finish() {
    const width = this.query.columns.length;
    const table = {
      columns: this.query.columns.map(({ name }) => name),
      values: this.#values.slice(0, this.#count * width),
      labels: this.#labels.slice(0, this.#count),
      patients: [...this.#places.keys()],
      patientOfRow: this.#patients.slice(0, this.#count),
    };
    return { table, rowsLeftOut: this.#leftOut };
  }

  /** Null: missing, or outside the column's limits. */
  #valueOf(text: string, index: number, place: Place): number | null {
    const trimmed = text.trim();
    if (trimmed === '') return null;
    if (trimmed.length > 32 || !/^[+-]?\d+(\.\d+)?(e[+-]?\d{1,3})?$/i.test(trimmed))
      throw malformed(place, 'a field is no number');
    const value = Number(trimmed);
    const { low, high } = this.query.columns[index] as DataQuery['columns'][number]; // a column per field
    return value >= low && value <= high ? value : null;
  }

  #push(patient: string, values: readonly number[], label: number): void {
    if (this.#count >= csvLimits.rowsMax) throw tooLarge('', 'rowsMax');
    if (!this.#places.has(patient)) {
      if (this.#places.size >= csvLimits.patientsMax) throw tooLarge('', 'patientsMax');
      this.#places.set(patient, this.#places.size);
    }
    const at = this.#count * values.length;
    while (at + values.length > this.#values.length) this.#values = grown(this.#values);
    if (this.#count >= this.#labels.length) {
      this.#labels = grown(this.#labels);
      this.#patients = grown(this.#patients);
    }
    this.#values.set(values, at);
    this.#labels[this.#count] = label;
    this.#patients[this.#count] = this.#places.get(patient) as number; // set above
    this.#count += 1;
  }
}

function grown<Numbers extends Float64Array | Uint8Array | Uint32Array>(values: Numbers): Numbers {
  const larger = new (values.constructor as new (length: number) => Numbers)(values.length * 2); // the same kind of array
  larger.set(values);
  return larger;
}

function labelOf(text: string, place: Place): number | null {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  if (trimmed !== '0' && trimmed !== '1') throw malformed(place, 'a label is 0 or 1');
  return Number(trimmed);
}

/** Says where, never what stood there. */
function malformed({ file, line }: Place, what: string): DataError {
  return new DataError('data-malformed', `${file}, line ${line}: ${what}`, { facts: { file, line } });
}

function tooLarge(file: string, limit: keyof typeof csvLimits, line = 0): DataError {
  return new DataError('data-too-large', `more than ${limit} (${csvLimits[limit]})`, { facts: { file, limit, line } });
}
