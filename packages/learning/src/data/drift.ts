import { z } from 'zod';
import { type LearningTable, rowCountOf } from './table.ts';

/** Limits of a reference that came from elsewhere. */
export const driftLimits = { columnsMax: 1024, bins: 10 } as const;

const column = z.strictObject({
  name: z.string().max(128),
  /** Inner edges of the bins, ascending; deciles of the training data, equal ones once. */
  edges: z.array(z.number()).max(driftLimits.bins - 1),
  /** Share of the training data in each bin. */
  shares: z.array(z.number().min(0).max(1)).max(driftLimits.bins),
});

/** How the data were distributed that a model was trained on; goes with the model. @throws ZodError from `parse`. */
export const driftReferenceSchema = z.strictObject({ columns: z.array(column).max(driftLimits.columnsMax) });
export type DriftReference = z.infer<typeof driftReferenceSchema>;

/** How far a site's data have moved from the reference. */
export interface ColumnDrift {
  readonly name: string;
  /** Population stability index: 0 none. */
  readonly index: number;
  /** By the customary thresholds, 0.1 and 0.25. */
  readonly level: 'none' | 'notable' | 'strong';
}

/** A bin that is empty on one side counts as this share, so that the index stays finite. */
const shareMin = 1e-4;

/** The deciles of each column. */
export function driftReferenceOf(table: LearningTable): DriftReference {
  return {
    columns: table.columns.map((name, column) => {
      const sorted = columnOf(table, column).sort();
      const edges = new Set<number>();
      for (let bin = 1; bin < driftLimits.bins && sorted.length > 0; bin += 1)
        edges.add(sorted[Math.floor((bin * sorted.length) / driftLimits.bins)] as number); // below the length
      const ordered = [...edges];
      return { name, edges: ordered, shares: sharesOf(sorted, ordered) };
    }),
  };
}

/** The drift of each column that both have, strongest first. */
export function driftOf(reference: DriftReference, table: LearningTable): readonly ColumnDrift[] {
  if (rowCountOf(table) === 0) return [];
  const drifts = reference.columns.flatMap(({ name, edges, shares }) => {
    const column = table.columns.indexOf(name);
    if (column === -1 || shares.length !== edges.length + 1) return [];
    const index = stabilityIndex(shares, sharesOf(columnOf(table, column), edges));
    return [{ name, index, level: levelOf(index) }];
  });
  return drifts.sort((one, other) => other.index - one.index);
}

function levelOf(index: number): ColumnDrift['level'] {
  if (index >= 0.25) return 'strong';
  return index >= 0.1 ? 'notable' : 'none';
}

function stabilityIndex(expected: readonly number[], actual: readonly number[]): number {
  return expected.reduce((sum, share, bin) => {
    const [was, is] = [Math.max(shareMin, share), Math.max(shareMin, actual[bin] ?? 0)];
    return sum + (is - was) * Math.log(is / was);
  }, 0);
}

function sharesOf(values: Float64Array, edges: readonly number[]): number[] {
  const counts = Array.from({ length: edges.length + 1 }, () => 0);
  for (const value of values) {
    const found = edges.findIndex((edge) => value < edge);
    const bin = found === -1 ? edges.length : found;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts.map((count) => (values.length === 0 ? 0 : count / values.length));
}

function columnOf(table: LearningTable, column: number): Float64Array {
  const width = table.columns.length;
  return Float64Array.from({ length: rowCountOf(table) }, (_, row) => table.values[row * width + column] as number); // within
}
