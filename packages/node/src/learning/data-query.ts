import { z } from 'zod';

const name = z.string().min(1).max(64);
const text = z.string().max(500);
const column = z
  .strictObject({ name, unit: z.string().max(64), about: text, low: z.number(), high: z.number() })
  .refine(({ low, high }) => low < high, 'low is below high');

/**
 * A query as sites and publishers hand it to each other, as JSON: `{"name", "version", "about", "columns": [{"name", "unit", "about",
 * "low", "high"}], "label": what 1 and 0 mean, or null}`. @throws ZodError from `parse`.
 */
export const dataQuerySchema = z.strictObject({
  name,
  version: z.int().min(1).max(1_000_000),
  about: text,
  columns: z
    .array(column)
    .min(1)
    .max(1_000)
    .refine((columns) => new Set(columns.map((one) => one.name)).size === columns.length, 'no column twice'),
  label: text.min(1).nullable(),
});
