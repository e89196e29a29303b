import type { Change } from '../desk/desk.ts';
import { askOf } from '../kept-messages.ts';
import type { ResearchRows } from './research-rows.ts';

/**
 * Forgets offers that nobody took up and requests that nothing came of, a while after they ran out. What was bought stays, and its
 * request with it: it holds the key that opens the records.
 */
export function tidy(change: Change<ResearchRows>, times: { readonly nowMs: number; readonly keptMs: number }): void {
  const beforeMs = times.nowMs - times.keptMs;
  const needed = new Set<string>();
  const forgotten = new Set<string>();
  for (const [grantId, grant] of [...change.all('grant')]) {
    const isOver = grant.purchaseTransaction === null && grant.validUntil * 1000 <= beforeMs;
    if (!isOver) needed.add(grant.askId);
    else {
      change.remove('grant', grantId);
      forgotten.add(grantId);
    }
  }
  for (const [accessId] of [...change.all('access')]) {
    if (forgotten.has(accessId.slice(0, accessId.indexOf('/')))) change.remove('access', accessId);
  }
  for (const [askId, ask] of [...change.all('ask')]) {
    if (!needed.has(askId) && askOf(ask).expiresMs <= beforeMs) change.remove('ask', askId);
  }
  for (const [handle, { askId }] of [...change.all('counter')]) {
    if (change.get('ask', askId) === undefined) change.remove('counter', handle);
  }
}
