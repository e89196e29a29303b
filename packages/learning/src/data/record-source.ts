import type { DataQuery } from './query.ts';
import type { LearningTable } from './table.ts';

/** What was read, and what was not: rows with a value missing or outside its column's limits are left out. */
export interface ReadRecords {
  readonly table: LearningTable;
  readonly rowsLeftOut: number;
}

/** Where a site's records come from: a folder of CSV ({@link createCsvSource}), or the product's own records. */
export interface RecordSource {
  /** Rows of these patients and of nobody else; of a query reduced to the wanted columns. @throws {DataError}. */
  read(query: DataQuery, patients: ReadonlySet<string>): Promise<ReadRecords>;
}
