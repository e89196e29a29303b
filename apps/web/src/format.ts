/** Numbers and times as people read them: with their unit, in the browser's language and zone. */

const timeFormat = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
  timeZoneName: 'short',
});
const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clockSecondsFormat = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const dayKeyFormat = new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' });
const countFormat = new Intl.NumberFormat(undefined);

/** "14:03:12 CET" */
export function formatTime(ms: number): string {
  return timeFormat.format(ms);
}

/** "14:03:12" */
export function formatClockSeconds(ms: number): string {
  return clockSecondsFormat.format(ms);
}

/** "14:03" */
export function formatClock(ms: number): string {
  return clockFormat.format(ms);
}

/** "14:03:12 CET" today, "3 Mar 2026, 14:03:12 CET" on another day. */
export function formatMoment(ms: number, nowMs: number): string {
  if (dayKeyFormat.format(ms) === dayKeyFormat.format(nowMs)) return formatTime(ms);
  return `${dayFormat.format(ms)}, ${formatTime(ms)}`;
}

/** "42 s", "3 min", "2 h 5 min", "3 d": rounded down; negative counts as 0. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** "82 MB" */
export function formatBytes(bytes: number): string {
  return `${countFormat.format(Math.round(bytes / 1_000_000))} MB`;
}

export function formatCount(count: number): string {
  return countFormat.format(count);
}

/** "1 mail", "2 mails" */
export function formatPlural(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** The last characters of a long id: its start is the same for all. */
export function shortId(id: string): string {
  return id.length <= 8 ? id : `…${id.slice(-6)}`;
}
