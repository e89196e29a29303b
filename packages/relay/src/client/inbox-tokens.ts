import { hmacSha256 } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';
import { type InboxId, inboxIdOfToken } from '../inbox-id.ts';
import type { InboxToken } from './types.ts';

const weekMs = 7 * 86_400_000;
const head = new TextEncoder().encode('pulsemesh/inbox-token/1');

/** An inbox of one week. */
export interface WeeklyInbox extends InboxToken {
  readonly inbox: InboxId;
  /** Wall time, milliseconds: senders use it from then on. */
  readonly fromMs: number;
}

/**
 * The inboxes of this week and the next ones, from one secret (32 random bytes; another one for each group of people who should not
 * be able to tell that they write to the same agent). A contact card lists the ids, the client claims the tokens; each is claimed
 * a week longer than it is used, for what is late.
 */
export function inboxTokensAhead(secret: Uint8Array, nowMs: number, weeks: number): WeeklyInbox[] {
  const thisWeek = Math.floor(nowMs / weekMs);
  return Array.from({ length: weeks }, (_, index) => {
    const week = thisWeek + index;
    const number = new Uint8Array(8);
    new DataView(number.buffer).setFloat64(0, week);
    const token = hmacSha256(secret, concatBytes(head, number));
    return { token, inbox: inboxIdOfToken(token), fromMs: week * weekMs, untilMs: (week + 2) * weekMs };
  });
}
