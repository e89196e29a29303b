/** Runs an action when what the event loop has ready now is done: several messages then share one batch. */
export type Defer = (action: () => void) => void;

// Measured in the relay micro-run: setImmediate lets all sockets that are readable in this turn add to the batch; a
// microtask would cut a batch for each of them. Browsers have no setImmediate.
export const deferToEndOfTurn: Defer =
  typeof setImmediate === 'function' ? (action) => void setImmediate(action) : (action) => queueMicrotask(action);
