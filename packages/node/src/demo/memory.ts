import { readFileSync } from 'node:fs';

/**
 * Memory of a process in bytes, pages shared with others counted in proportion (PSS), or null where the platform
 * does not say (only Linux does) or the process is gone.
 */
export function proportionalSetBytes(pid: number): number | null {
  try {
    const match = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    return match === null ? null : Number(match[1]) * 1024;
  } catch {
    return null;
  }
}
