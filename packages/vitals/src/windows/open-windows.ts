import { Condition } from '@pulsemesh/base';
import type { SubjectId } from '@pulsemesh/network';
import { type Reading, readingKey, type UserId, windowStartSeconds } from '../readings/reading.ts';
import { OpenWindow, readingBytes } from './open-window.ts';

/** The limits and times of {@link OpenWindows}; each has a default in {@link openWindowsDefaults}. */
export interface OpenWindowsOptions {
  /** Event time, by the device's own clock, that must have passed a window's end before it closes. */
  readonly latenessMs: number;
  /** Time on this peer's clock without a reading of the patient after which all its windows close. */
  readonly silenceMs: number;
  /** How long a window that was touched after its time waits for more of the same. */
  readonly lateSettleMs: number;
  readonly subjectsMax: number;
  readonly windowsPerSubjectMax: number;
  /** Further readings of a window are not held; storage has them, and closing fetches them. */
  readonly readingsPerWindowMax: number;
  readonly bytesMax: number;
}

export const openWindowsDefaults: OpenWindowsOptions = {
  latenessMs: 2_000,
  silenceMs: 8_000,
  lateSettleMs: 2_000,
  subjectsMax: 20_000,
  windowsPerSubjectMax: 512,
  readingsPerWindowMax: 1_000,
  bytesMax: 256 * 1024 * 1024,
};

/** The windows held are as many as may be: nothing was added, the sender keeps its batch. Retryable. */
export class OpenWindowsFullError extends Condition {
  override readonly name = 'OpenWindowsFullError';
  constructor(limit: 'subjectsMax' | 'windowsPerSubjectMax' | 'bytesMax', max: number) {
    super('open-windows-full', `no room for more open windows (${limit} is ${max})`, {
      facts: { limit, max },
      retryable: true,
    });
  }
}

/** What came with a patient's readings and is needed to close its windows. */
export interface SubjectInfo {
  readonly subjectId: SubjectId;
  readonly userId: UserId;
  readonly deviceKind: 'live' | 'replay';
  readonly isRegistered: boolean;
}

/** One patient's part of a batch. */
export interface SubjectReadings extends SubjectInfo {
  readonly readings: readonly Reading[];
}

/** The open windows of one patient. */
export interface OpenSubject {
  readonly info: SubjectInfo;
  /** The newest measurement's time by the device's clock. */
  readonly newestMs: number;
  readonly windows: ReadonlyMap<number, OpenWindow>;
}

interface Subject extends OpenSubject {
  info: SubjectInfo;
  newestMs: number;
  lastArrivalMs: number;
  readonly windows: Map<number, OpenWindow>;
  /** Keys of the windows closed last, so that a batch handed over twice reopens nothing. */
  recentlyDone: { readonly startSeconds: number; readonly keys: readonly string[] }[];
}

const recentlyDoneMax = 3;

/**
 * Which windows of which patients are open, and which may close: a state machine without clock or disk.
 * `nowMs` is always the caller's monotonic clock. Adding the same reading twice changes nothing; a reading
 * for a closed window opens it again.
 */
export class OpenWindows {
  readonly #options: OpenWindowsOptions;
  readonly #subjects = new Map<SubjectId, Subject>();
  #bytes = 0;
  #windowCount = 0;

  constructor(options: Partial<OpenWindowsOptions> = {}) {
    this.#options = { ...openWindowsDefaults, ...options };
  }

  get windowCount(): number {
    return this.#windowCount;
  }

  get subjectCount(): number {
    return this.#subjects.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  subjects(): Iterable<OpenSubject> {
    return this.#subjects.values();
  }

  subject(subjectId: SubjectId): OpenSubject | undefined {
    return this.#subjects.get(subjectId);
  }

  /**
   * Checks that `batch` fits, changing nothing. `reservedBytes`: what other batches on their way in will take.
   * @throws {OpenWindowsFullError}
   */
  assertRoom(batch: readonly SubjectReadings[], reservedBytes = 0): void {
    const { subjectsMax, windowsPerSubjectMax, bytesMax } = this.#options;
    let newSubjects = 0;
    let bytes = this.#bytes + reservedBytes;
    for (const part of batch) {
      const subject = this.#subjects.get(part.subjectId);
      if (subject === undefined) newSubjects += 1;
      bytes += batchBytes(part.readings);
      if ((subject?.windows.size ?? 0) + part.readings.length <= windowsPerSubjectMax) continue;
      const starts = new Set<number>(subject?.windows.keys());
      for (const reading of part.readings) starts.add(windowStartSeconds(reading.tMs));
      if (starts.size > windowsPerSubjectMax)
        throw new OpenWindowsFullError('windowsPerSubjectMax', windowsPerSubjectMax);
    }
    if (bytes > bytesMax) throw new OpenWindowsFullError('bytesMax', bytesMax);
    if (this.#subjects.size + newSubjects > subjectsMax && this.#idleCount() < newSubjects) {
      throw new OpenWindowsFullError('subjectsMax', subjectsMax);
    }
  }

  /** Takes one patient's readings that log entry `entry` holds; the windows that got something new. */
  add(part: SubjectReadings, entry: number, nowMs: number): readonly OpenWindow[] {
    const subject = this.#subjectFor(part, nowMs);
    const touched = new Set<OpenWindow>();
    const newestBeforeMs = subject.newestMs;
    for (const reading of part.readings) {
      const startSeconds = windowStartSeconds(reading.tMs);
      subject.newestMs = Math.max(subject.newestMs, reading.tMs);
      if (isRecentlyDone(subject, startSeconds, reading)) continue;
      const window = this.#windowFor(subject, startSeconds);
      const bytesBefore = window.bytes;
      const wasOverflowing = window.isOverflowing;
      if (!window.add(reading, this.#options.readingsPerWindowMax) && window.isOverflowing === wasOverflowing) continue;
      this.#bytes += window.bytes - bytesBefore;
      touched.add(window);
      if (window.settleUntilMs === 0 && newestBeforeMs >= window.endMs + this.#options.latenessMs) {
        window.settleUntilMs = nowMs + this.#options.lateSettleMs;
      }
    }
    for (const window of touched) window.entries.push(entry);
    return [...touched];
  }

  /** Opens a window of which nothing is held, closable at once: storage is known to have readings for it. */
  openEmpty(subjectId: SubjectId, startSeconds: number): void {
    const subject = this.#subjects.get(subjectId);
    if (subject === undefined || subject.windows.size >= this.#options.windowsPerSubjectMax) return;
    this.#windowFor(subject, startSeconds).isOverflowing = true;
  }

  /** The windows of the patient that may close now, oldest first, at most `limit`. */
  closable(subjectId: SubjectId, nowMs: number, limit: number): readonly OpenWindow[] {
    const subject = this.#subjects.get(subjectId);
    if (subject === undefined || subject.windows.size === 0) return [];
    const isSilent = nowMs - subject.lastArrivalMs >= this.#options.silenceMs;
    const untilMs = subject.newestMs - this.#options.latenessMs;
    const found: OpenWindow[] = [];
    for (const window of subject.windows.values()) {
      if ((isSilent || window.endMs <= untilMs) && window.settleUntilMs <= nowMs) found.push(window);
    }
    return found.sort((one, other) => one.startSeconds - other.startSeconds).slice(0, limit);
  }

  /**
   * The window was dealt with as it was when its keys had `keysDigest`. Where nothing came since, it closes;
   * else it stays open with all it holds. Gives the log entries that need not be kept for it any longer.
   */
  finish(subjectId: SubjectId, startSeconds: number, keysDigest: string, lastEntry: number): readonly number[] {
    const subject = this.#subjects.get(subjectId);
    const window = subject?.windows.get(startSeconds);
    if (subject === undefined || window === undefined) return [];
    if (window.keysDigest !== keysDigest || (window.entries.at(-1) ?? 0) > lastEntry) {
      const isCovered = (entry: number) => entry <= lastEntry;
      const released = window.entries.filter(isCovered);
      window.entries.splice(0, released.length);
      window.settleUntilMs = 0;
      return released;
    }
    this.#remove(subject, window);
    subject.recentlyDone.push({ startSeconds, keys: [...window.readings.keys()] });
    if (subject.recentlyDone.length > recentlyDoneMax) subject.recentlyDone.shift();
    return window.entries;
  }

  #remove(subject: Subject, window: OpenWindow): void {
    subject.windows.delete(window.startSeconds);
    this.#windowCount -= 1;
    this.#bytes -= window.bytes;
  }

  #subjectFor(part: SubjectReadings, nowMs: number): Subject {
    const { subjectId, userId, deviceKind, isRegistered } = part;
    const info = { subjectId, userId, deviceKind, isRegistered };
    const known = this.#subjects.get(subjectId);
    if (known !== undefined) {
      known.info = info;
      known.lastArrivalMs = nowMs;
      return known;
    }
    if (this.#subjects.size >= this.#options.subjectsMax) this.#forgetIdle();
    const subject: Subject = {
      info,
      newestMs: Number.NEGATIVE_INFINITY,
      lastArrivalMs: nowMs,
      windows: new Map(),
      recentlyDone: [],
    };
    this.#subjects.set(subjectId, subject);
    return subject;
  }

  #windowFor(subject: Subject, startSeconds: number): OpenWindow {
    const known = subject.windows.get(startSeconds);
    if (known !== undefined) return known;
    const window = new OpenWindow(startSeconds);
    subject.windows.set(startSeconds, window);
    this.#windowCount += 1;
    return window;
  }

  #idleCount(): number {
    let count = 0;
    for (const subject of this.#subjects.values()) if (subject.windows.size === 0) count += 1;
    return count;
  }

  /** Forgets patients of whom no window is open: all that is lost is how far their clocks had come. */
  #forgetIdle(): void {
    for (const [subjectId, subject] of this.#subjects) if (subject.windows.size === 0) this.#subjects.delete(subjectId);
  }
}

function isRecentlyDone(subject: Subject, startSeconds: number, reading: Reading): boolean {
  for (const done of subject.recentlyDone) {
    if (done.startSeconds === startSeconds && done.keys.includes(readingKey(reading))) {
      return !subject.windows.has(startSeconds);
    }
  }
  return false;
}

function batchBytes(readings: readonly Reading[]): number {
  let bytes = 0;
  for (const reading of readings) bytes += readingBytes(reading);
  return bytes;
}
