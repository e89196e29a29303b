/** Runs one action at a time, in the order they came. */
export function createMutex(): <T>(action: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (action) => {
    const result = last.then(action);
    last = result.catch(() => {}); // who asked is told; the next one goes on
    return result;
  };
}
