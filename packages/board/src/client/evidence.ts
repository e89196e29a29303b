/**
 * Statements of a board that cannot both be true. Whoever has the keys checks it; nobody needs to believe whoever brings it. Notes are
 * the text of signed checkpoints, receipts are tlog-proofs, as received.
 */
export type Evidence =
  /** Two checkpoints of one size with different roots. */
  | { readonly kind: 'split-view'; readonly first: string; readonly second: string }
  /** Two checkpoints, and hashes that lead to the newer's root over another beginning than the older's. */
  | { readonly kind: 'rewritten'; readonly older: string; readonly newer: string; readonly proof: readonly string[] }
  /** One place, two leaves, each under a checkpoint of the board: what was withheld after its receipt was given looks like this. */
  | { readonly kind: 'two-leaves'; readonly first: string; readonly second: string };
