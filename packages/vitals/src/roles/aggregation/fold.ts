import type { SubjectId } from '@pulsemesh/network';
import type { AlertEvent } from '../../alerts/alert.ts';
import { stepAlert } from '../../alerts/engine.ts';
import { defaultAlertPolicy } from '../../alerts/policy.ts';
import { type AlertState, initialAlertState, parseAlertState } from '../../alerts/state.ts';
import { alertFields, parseAlertEvent } from '../../records/codec.ts';
import { MalformedRecordError, parseArray, parseInteger } from '../../records/parse.ts';
import type { InputKind } from '../../windows/window.ts';

/** An alert event and the start of its episode, under which its record is kept. */
export interface FoldedEvent {
  readonly event: AlertEvent;
  readonly episodeStartSeconds: number;
}

/** What a prediction record keeps of the alert engine, so that any peer goes on from the newest one. */
export interface FoldRecord {
  /** Start of the newest window folded in. */
  readonly upToSeconds: number;
  /** How often a late window made the fold be done again; of two with one `upToSeconds` the higher counts. */
  readonly generation: number;
  readonly state: AlertState;
  /** What this record's own window caused, kept so that a repetition after a crash tells the same. */
  readonly events: readonly FoldedEvent[];
}

/** A window as the fold sees it. */
export interface FoldWindow {
  readonly startSeconds: number;
  readonly score: number | null;
  readonly input: InputKind;
}

interface Folded {
  readonly window: FoldWindow;
  readonly hasEvents: boolean;
}

const eventsMax = 8;
const generationMax = 2 ** 31 - 1;

/**
 * The fold over one patient's predictions, in the order of their windows. It remembers the scores of the last
 * {@link foldHistoryMax} windows: a late or revised window among them is put in its place and the fold done again
 * from there. The new course is taken only where the old one told nobody anything since: what was told stays told.
 */
export class AlertFold {
  readonly #subjectId: SubjectId;
  #base: AlertState;
  #baseUpToSeconds: number;
  #history: Folded[] = [];
  #current: AlertState;
  #upToSeconds: number;
  #generation: number;

  /** Goes on from `record`, or from nothing. */
  constructor(subjectId: SubjectId, record: FoldRecord | null) {
    this.#subjectId = subjectId;
    this.#current = record?.state ?? initialAlertState;
    this.#base = this.#current;
    this.#upToSeconds = record?.upToSeconds ?? Number.NEGATIVE_INFINITY;
    this.#baseUpToSeconds = this.#upToSeconds;
    this.#generation = record?.generation ?? 0;
  }

  /** A copy that goes its own way: for a step that may have to be taken back. */
  clone(): AlertFold {
    const copy = new AlertFold(this.#subjectId, null);
    copy.#base = this.#base;
    copy.#baseUpToSeconds = this.#baseUpToSeconds;
    copy.#history = [...this.#history];
    copy.#current = this.#current;
    copy.#upToSeconds = this.#upToSeconds;
    copy.#generation = this.#generation;
    return copy;
  }

  /** Start of the newest window folded in, `-Infinity` before the first. */
  get upToSeconds(): number {
    return this.#upToSeconds;
  }

  /** True where `record` has seen more than this fold. */
  isBehind(record: FoldRecord): boolean {
    return isNewerFold(record, { upToSeconds: this.#upToSeconds, generation: this.#generation });
  }

  /** What is known now, without any window's events; null before the first window. */
  get record(): FoldRecord | null {
    if (this.#upToSeconds === Number.NEGATIVE_INFINITY) return null;
    return { upToSeconds: this.#upToSeconds, generation: this.#generation, state: this.#current, events: [] };
  }

  /** Folds the window in and says what its prediction record keeps. */
  step(window: FoldWindow): FoldRecord {
    const events = window.startSeconds > this.#upToSeconds ? this.#append(window) : this.#insert(window);
    return { upToSeconds: this.#upToSeconds, generation: this.#generation, state: this.#current, events };
  }

  #append(window: FoldWindow): readonly FoldedEvent[] {
    const { state, events } = stepFolded(this.#subjectId, this.#current, window);
    this.#current = state;
    this.#upToSeconds = window.startSeconds;
    this.#history.push({ window, hasEvents: events.length > 0 });
    if (this.#history.length > foldHistoryMax) this.#forgetOldest();
    return events;
  }

  #insert(window: FoldWindow): readonly FoldedEvent[] {
    if (window.startSeconds <= this.#baseUpToSeconds) return [];
    const before = this.#history.filter((folded) => folded.window.startSeconds < window.startSeconds);
    const after = this.#history.filter((folded) => folded.window.startSeconds > window.startSeconds);
    const replaced = this.#history.filter((folded) => folded.window.startSeconds === window.startSeconds);
    if ([...replaced, ...after].some((folded) => folded.hasEvents)) return [];
    let state = this.#base;
    for (const folded of before) state = stepFolded(this.#subjectId, state, folded.window).state;
    const history = [...before];
    const events: FoldedEvent[] = [];
    for (const next of [window, ...after.map((folded) => folded.window)]) {
      const step = stepFolded(this.#subjectId, state, next);
      state = step.state;
      events.push(...step.events);
      history.push({ window: next, hasEvents: step.events.length > 0 });
    }
    this.#history = history;
    this.#current = state;
    this.#generation += 1;
    if (this.#history.length > foldHistoryMax) this.#forgetOldest();
    return events.slice(0, eventsMax);
  }

  #forgetOldest(): void {
    const oldest = this.#history.shift();
    if (oldest === undefined) return;
    this.#base = stepFolded(this.#subjectId, this.#base, oldest.window).state;
    this.#baseUpToSeconds = oldest.window.startSeconds;
  }
}

type FoldAge = Pick<FoldRecord, 'upToSeconds' | 'generation'>;

/** True where `one` has seen more than `other`. */
export function isNewerFold(one: FoldAge, other: FoldAge): boolean {
  if (one.upToSeconds !== other.upToSeconds) return one.upToSeconds > other.upToSeconds;
  return one.generation > other.generation;
}

/** Windows a fold can be done again over: two minutes. */
export const foldHistoryMax = 12;

function stepFolded(subjectId: SubjectId, state: AlertState, window: FoldWindow) {
  const { state: next, events } = stepAlert(state, window, defaultAlertPolicy[window.input], { subjectId });
  const folded = events.map((event) => ({
    event,
    // Only a raise begins an episode; what else the engine says is about the one that was open before.
    episodeStartSeconds:
      event.type === 'raised' ? event.episodeStartSeconds : (state.open?.episodeStartSeconds ?? window.startSeconds),
  }));
  return { state: next, events: folded };
}

/** The record as plain CBOR values. */
export function encodeFold(record: FoldRecord): unknown {
  const events = record.events.map(({ event, episodeStartSeconds }) => [episodeStartSeconds, alertFields(event)]);
  return [record.upToSeconds, record.generation, record.state, events];
}

/** @throws {MalformedRecordError} or the alert state's own error when it is not what {@link encodeFold} gives. */
export function parseFold(value: unknown): FoldRecord {
  const [upTo, generation, state, events] = parseArray(value, 'alert fold', 4);
  return {
    upToSeconds: parseInteger(upTo, 'fold up to', 0, Number.MAX_SAFE_INTEGER),
    generation: parseInteger(generation, 'fold generation', 0, generationMax),
    state: parseAlertState(state),
    events: parseArray(events, 'fold events', eventsMax).map(parseFoldedEvent),
  };
}

/** @throws {MalformedRecordError} */
export function parseFoldedEvent(value: unknown): FoldedEvent {
  const fields = parseArray(value, 'folded event', 2);
  if (fields.length !== 2) throw new MalformedRecordError('folded event');
  return {
    episodeStartSeconds: parseInteger(fields[0], 'episode start', 0, Number.MAX_SAFE_INTEGER),
    event: parseAlertEvent(fields[1]),
  };
}
