import { assert } from '@pulsemesh/base';

/** Records of one site as numbers: one row each. Names of patients stay at the site; only its receipts hold them. */
export interface LearningTable {
  readonly columns: readonly string[];
  /** Rows one after the other, a value per column. */
  readonly values: Float64Array;
  /** 1 or 0 per row. All 0 where nothing is to be told apart. */
  readonly labels: Uint8Array;
  readonly patients: readonly string[];
  /** Place in `patients` of each row's. */
  readonly patientOfRow: Uint32Array;
}

/** Rows of a table. */
export function rowCountOf(table: LearningTable): number {
  return table.patientOfRow.length;
}

/** The rows of one patient, by its place in `patients`. */
export function rowsOfPatient(table: LearningTable, patient: number): LearningTable {
  return selectRows(table, (row) => table.patientOfRow[row] === patient);
}

/** The rows for which `isWanted` holds; patients and their places stay. */
export function selectRows(table: LearningTable, isWanted: (row: number) => boolean): LearningTable {
  const width = table.columns.length;
  const rows: number[] = [];
  for (let row = 0; row < rowCountOf(table); row += 1) if (isWanted(row)) rows.push(row);
  const values = new Float64Array(rows.length * width);
  for (const [index, row] of rows.entries()) {
    values.set(table.values.subarray(row * width, (row + 1) * width), index * width);
  }
  return {
    columns: table.columns,
    values,
    labels: Uint8Array.from(rows, (row) => table.labels[row] as number), // rows are the table's
    patients: table.patients,
    patientOfRow: Uint32Array.from(rows, (row) => table.patientOfRow[row] as number),
  };
}

/** Throws where a table's parts do not fit each other: a bug in what made it. */
export function assertTable(table: LearningTable): void {
  const rows = rowCountOf(table);
  assert(table.values.length === rows * table.columns.length && table.labels.length === rows, 'a table has whole rows');
  assert(
    table.patientOfRow.every((patient) => patient < table.patients.length),
    'each row is somebody’s',
  );
}
