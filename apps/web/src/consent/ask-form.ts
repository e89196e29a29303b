import type { AmountView, AskRequest, CohortCriteria, Hex, ResearchView, VitalKind } from '@pulsemesh/node/api';
import { amountToField, parseAmount } from './amount.ts';

/** A request as it is typed. */
export interface AskDraft {
  readonly title: string;
  readonly purpose: string;
  readonly explanation: string;
  readonly vitals: readonly VitalKind[];
  /** Days as a date field gives them: 2026-03-01. Both are included, in the browser's zone. */
  readonly fromDay: string;
  readonly untilDay: string;
  readonly accessDays: string;
  readonly validDays: string;
  readonly price: string;
  readonly account: Hex | '';
}

export type AskErrors = Partial<Record<keyof AskDraft, string>>;

/** Longest texts, as the API takes them. */
export const askCharsMax = { title: 200, purpose: 128, explanation: 4_000 } as const;

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** Longest interval, access and validity that a form takes: years that nobody means are typing errors. */
const daysMax = 3_660;

/** A form to begin with: the last 30 days, heart rates, no compensation. */
export function emptyAsk(nowMs: number, account: Hex | ''): AskDraft {
  return {
    title: '',
    purpose: 'research/rhythm',
    explanation: '',
    vitals: ['readings'],
    fromDay: dayField(nowMs - 29 * dayMs),
    untilDay: dayField(nowMs),
    accessDays: '30',
    validDays: '14',
    price: '0',
    account,
  };
}

/** The same request once more, at the amount that a patient named. */
export function askAgain(ask: ResearchView['asks'][number], price: AmountView, account: Hex | ''): AskDraft {
  return {
    title: ask.title,
    purpose: ask.purpose,
    explanation: ask.explanation,
    vitals: ask.vitals,
    fromDay: dayField(ask.fromMs),
    untilDay: dayField(ask.untilMs - 1),
    accessDays: String(Math.max(1, Math.round(ask.accessForMs / dayMs))),
    validDays: '14',
    price: amountToField(price.units, price.decimals),
    account,
  };
}

/** Whom it is for. */
export type AskTarget =
  | { readonly home: string; readonly criteria: CohortCriteria }
  | { readonly home: string; readonly handle: string };

export type CheckedAsk =
  | { readonly kind: 'valid'; readonly request: AskRequest }
  | { readonly kind: 'invalid'; readonly errors: AskErrors };

/** What was typed, as the API takes it; or what is wrong with it, field by field. */
export function checkAsk(draft: AskDraft, target: AskTarget, decimals: number): CheckedAsk {
  const title = draft.title.trim();
  const purpose = draft.purpose.trim();
  const explanation = draft.explanation.trim();
  const from = dayStart(draft.fromDay);
  const until = dayStart(draft.untilDay);
  const price = parseAmount(draft.price, decimals);
  const accessDays = daysIn(draft.accessDays);
  const validDays = daysIn(draft.validDays);
  const errors: AskErrors = {
    ...(title === '' ? { title: 'Patients see this first: say in a few words what it is.' } : {}),
    ...(/^[a-z-]+(\/[a-z0-9-]+)*$/.test(purpose)
      ? {}
      : { purpose: 'Write it as research/rhythm: small letters, parts apart by /.' }),
    ...(explanation === '' ? { explanation: 'Say in plain words what for, who gains, and how long it is kept.' } : {}),
    ...(draft.vitals.length === 0 ? { vitals: 'Choose at least one kind of data.' } : {}),
    ...(from === null ? { fromDay: 'A day is needed.' } : {}),
    ...(until === null
      ? { untilDay: 'A day is needed.' }
      : from !== null && until < from
        ? { untilDay: 'This is before the first day.' }
        : from !== null && until - from > daysMax * dayMs
          ? { untilDay: 'More than ten years: is this meant?' }
          : {}),
    ...(accessDays === null ? { accessDays: `Whole days, 1 to ${daysMax}.` } : {}),
    ...(validDays === null ? { validDays: `Whole days, 1 to ${daysMax}.` } : {}),
    ...(price === null ? { price: `An amount with at most ${decimals} digits after the point is needed.` } : {}),
    ...(draft.account === '' ? { account: 'Choose who pays: bind a wallet on the Research page first.' } : {}),
  };
  const isIncomplete = from === null || until === null || accessDays === null || validDays === null || price === null;
  if (isIncomplete || draft.account === '' || Object.keys(errors).length > 0) return { kind: 'invalid', errors };
  return {
    kind: 'valid',
    request: {
      ...target,
      title,
      purpose,
      explanation,
      vitals: draft.vitals,
      fromMs: wholeHour(from),
      untilMs: wholeHour(dayAfter(until)),
      accessForMs: accessDays * dayMs,
      validForMs: validDays * dayMs,
      price,
      account: draft.account,
    },
  };
}

function dayField(ms: number): string {
  const day = new Date(ms);
  const two = (count: number) => String(count).padStart(2, '0');
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

function dayStart(field: string): number | null {
  const found = /^(\d{4})-(\d\d)-(\d\d)$/.exec(field);
  if (found === null) return null;
  const ms = new Date(Number(found[1]), Number(found[2]) - 1, Number(found[3])).getTime();
  return Number.isFinite(ms) ? ms : null;
}

function dayAfter(ms: number): number {
  const day = new Date(ms);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1).getTime();
}

/** Keys are handed out by the hour; zones that are off by half an hour begin a little earlier. */
function wholeHour(ms: number): number {
  return Math.floor(ms / hourMs) * hourMs;
}

function daysIn(typed: string): number | null {
  const days = /^\d{1,5}$/.test(typed.trim()) ? Number(typed) : 0;
  return days >= 1 && days <= daysMax ? days : null;
}
