/** Gathers what comes in one turn of the event loop, and while `batchesMax` are under way, as the relay does. */
export function gather<Item>(run: (items: Item[]) => Promise<void>, batchesMax: number, itemsMax: number) {
  let waiting: { readonly item: Item; readonly done: PromiseWithResolvers<void> }[] = [];
  let underWay = 0;
  let isAsked = false;
  const flush = () => {
    isAsked = false;
    while (waiting.length > 0 && underWay < batchesMax) {
      const batch = waiting.slice(0, itemsMax);
      waiting = waiting.slice(itemsMax);
      underWay += 1;
      const ended = (finish: (each: (typeof batch)[number]) => void) => {
        underWay -= 1;
        for (const each of batch) finish(each);
        ask();
      };
      run(batch.map(({ item }) => item)).then(
        () => ended(({ done }) => done.resolve()),
        (error) => ended(({ done }) => done.reject(error)),
      );
    }
  };
  const ask = () => {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(flush);
  };
  return (item: Item): Promise<void> => {
    const done = Promise.withResolvers<void>();
    waiting.push({ item, done });
    ask();
    return done.promise;
  };
}
