import type { Clock } from '@pulsemesh/base';

/** A line about a long run at most so often, milliseconds of real time. */
const tellEveryMs = 2_000;

/** Gives what a run calls with its virtual time; tells `tell` now and then how far it is, and how long that took. */
export function startProgress(
  tell: ((line: string) => void) | undefined,
  name: string,
  clock: Clock,
): (virtualMs: number, untilVirtualMs: number) => void {
  if (tell === undefined) return () => {};
  const startedMs = clock.monotonicMs();
  let toldMs = startedMs;
  return (virtualMs, untilVirtualMs) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - toldMs < tellEveryMs) return;
    toldMs = nowMs;
    const share = Math.min(100, (100 * virtualMs) / untilVirtualMs);
    const seconds = (ms: number) => (ms / 1_000).toFixed(1);
    tell(`${name}: ${share.toFixed(0)} %, ${seconds(virtualMs)} virtual seconds in ${seconds(nowMs - startedMs)}`);
  };
}
