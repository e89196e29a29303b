import type { TableChange } from './table.ts';

/** A commit that has been asked for and is neither durable nor refused. */
export interface WaitingCommit {
  readonly changes: readonly TableChange[];
  /** Keys and values. */
  readonly bytes: number;
  /** It only takes away: let through where room has run out. */
  readonly isRemoval: boolean;
  readonly settled: PromiseWithResolvers<void>;
}

/** Takes from `waiting`, in order, what is written at once: at least one commit, together at most `bytesMax` where there are more. */
export function takeGroup(waiting: WaitingCommit[], bytesMax: number): WaitingCommit[] {
  let bytes = 0;
  let count = 0;
  for (const commit of waiting) {
    if (count > 0 && bytes + commit.bytes > bytesMax) break;
    bytes += commit.bytes;
    count += 1;
  }
  return waiting.splice(0, count);
}
