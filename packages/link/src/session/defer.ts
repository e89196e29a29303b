/** Runs an action when what the event loop has ready now is done: several messages then share one batch. */
export type Defer = (action: () => void) => void;

// setImmediate runs after all sockets that are readable in this turn, so that what they bring shares a batch; and two ends joined in
// one process by carriers in memory starve its timers and sockets where batches are cut in microtasks. Browsers have none.
export const deferToEndOfTurn: Defer =
  typeof setImmediate === 'function' ? (action) => void setImmediate(action) : (action) => queueMicrotask(action);
