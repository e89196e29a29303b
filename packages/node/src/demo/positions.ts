import { readFileSync } from 'node:fs';
import { z } from 'zod';

const positionsSchema = z.record(z.string(), z.number().min(0));

/** How far each device has come, in seconds, by user id; empty before the first start. */
export function readPositions(file: string): Map<string, number> {
  try {
    return new Map(Object.entries(positionsSchema.parse(JSON.parse(readFileSync(file, 'utf8')))));
  } catch {
    return new Map();
  }
}
