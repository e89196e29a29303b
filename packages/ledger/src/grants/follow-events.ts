import { raceSignal } from '@pulsemesh/base';
import type { LedgerEvent } from './grant-ledger.ts';

/** Events in order from `from` on, as they are appended to a list that only grows; `wakes` are called after each append. */
export async function* followEvents(
  list: () => readonly LedgerEvent[],
  wakes: Set<() => void>,
  { from, signal }: { readonly from: bigint; readonly signal: AbortSignal },
): AsyncGenerator<LedgerEvent> {
  for (let index = 0; !signal.aborted; ) {
    const event = list()[index];
    if (event !== undefined) {
      index += 1;
      if (event.at >= from) yield event;
      continue;
    }
    const woken = Promise.withResolvers<void>();
    wakes.add(woken.resolve);
    await raceSignal(woken.promise, signal).catch(() => {});
    wakes.delete(woken.resolve);
  }
}
