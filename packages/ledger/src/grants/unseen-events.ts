/** Where an event stands. */
interface EventPlace {
  readonly at: bigint;
  readonly place: number;
}

/**
 * Tells which events of one stream (`GrantLedger.events` from `after.at`) a reader has not taken: those behind the last that it took; and, once
 * the stream goes back because the ledger took back what it had called final, all that come, also those that stand before that place now.
 * Of these some may have been taken on the other branch: take them so that twice is as once. Make a new one for each stream.
 */
export function unseenEvents(after: EventPlace | null): (event: EventPlace) => boolean {
  let newest: EventPlace | null = null;
  let hasGoneBack = false;
  return ({ at, place }) => {
    if (newest !== null && !isBehind({ at, place }, newest)) hasGoneBack = true;
    newest = { at, place };
    return hasGoneBack || after === null || isBehind(newest, after);
  };
}

function isBehind(event: EventPlace, other: EventPlace): boolean {
  return event.at > other.at || (event.at === other.at && event.place > other.place);
}
