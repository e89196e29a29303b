import { Condition, type ErrorFacts } from '@pulsemesh/base';
import type { TaskBody } from '@pulsemesh/board';

/** One column of a query, described so that two sites mean the same by it. */
export interface QueryColumn {
  readonly name: string;
  /** As `ms` or `bpm`; empty for a ratio. */
  readonly unit: string;
  readonly about: string;
  /** A value outside is no measurement: its row is left out and counted. */
  readonly low: number;
  readonly high: number;
}

/** What a site answers to a task's query: its columns in their order. Another meaning of a column is another version. */
export interface DataQuery {
  readonly name: string;
  readonly version: number;
  readonly about: string;
  readonly columns: readonly QueryColumn[];
  /** What 1 and 0 of a label mean; null: rows have none. */
  readonly label: string | null;
}

/**
 * Why a site's records cannot be used: `data-unknown-query` it does not know the task's query, `data-consents-unsigned` no contract of this
 * site covers the task, `data-malformed` and `data-too-large` a file (the facts say which and where), `data-missing` it cannot be
 * read, `data-receipts-full` no further receipt can be kept.
 */
export class DataError extends Condition {
  override readonly name = 'DataError';
  constructor(
    code:
      | 'data-unknown-query'
      | 'data-consents-unsigned'
      | 'data-malformed'
      | 'data-too-large'
      | 'data-missing'
      | 'data-receipts-full',
    message: string,
    options: { readonly facts?: ErrorFacts; readonly cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}

/**
 * The query that a task names, reduced to the columns it wants, in the task's order.
 * @throws {DataError} `data-unknown-query` for another name, version or column.
 */
export function queryOfTask(queries: readonly DataQuery[], { query }: Pick<TaskBody, 'query'>): DataQuery {
  const known = queries.find(({ name, version }) => name === query.name && version === query.version);
  const columns = query.columns.map((name) => known?.columns.find((column) => column.name === name));
  if (known === undefined || columns.includes(undefined) || new Set(query.columns).size < query.columns.length)
    throw new DataError('data-unknown-query', 'the task asks for a query or a column that this site does not know');
  return { ...known, columns: columns.filter((column) => column !== undefined) };
}
