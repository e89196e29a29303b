import type {
  AccessView,
  AlarmView,
  AskView,
  CohortCriteria,
  GrantPhase,
  GrantView,
  LedgerEventView,
  LedgerView,
  VitalKind,
} from '@pulsemesh/node/api';
import { formatPlural } from '../format.ts';

/** Consent, money and access in plain words. */

const vitalNames: Readonly<Record<VitalKind, string>> = {
  readings: 'heart rates and the time between beats',
  windows: 'ten-second summaries of the rhythm',
  predictions: 'what the rhythm model made of them',
  alerts: 'alerts that were raised',
};

/** The same kinds as a form's choices, in the order in which they are offered. */
export const vitalChoices: readonly { readonly kind: VitalKind; readonly name: string }[] = (
  Object.keys(vitalNames) as VitalKind[]
).map((kind) => ({ kind, name: capital(vitalNames[kind]) }));

/** "heart rates and the time between beats; alerts that were raised" */
export function vitalWords(vitals: readonly VitalKind[]): string {
  return vitals.map((kind) => vitalNames[kind]).join('; ');
}

const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const hourFormat = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
  timeZoneName: 'short',
});

/** "from 3 Mar 2026, 10:00 CET until 5 Mar 2026, 10:00 CET" */
export function spanWords(fromMs: number, untilMs: number): string {
  return `from ${hourFormat.format(fromMs)} until ${hourFormat.format(untilMs)}`;
}

/** "3 March 2026" */
export function dayWords(ms: number): string {
  return dayFormat.format(ms);
}

const lengths = [
  { ms: 86_400_000, one: 'day', many: 'days' },
  { ms: 3_600_000, one: 'hour', many: 'hours' },
  { ms: 60_000, one: 'minute', many: 'minutes' },
] as const;

/** "30 days", "36 hours", "90 minutes": the largest unit that it is a whole number of. */
export function lengthWords(ms: number): string {
  const unit = lengths.find(({ ms: size }) => ms >= size && ms % size === 0);
  if (unit !== undefined) return formatPlural(ms / unit.ms, unit.one, unit.many);
  return formatPlural(Math.max(0, Math.round(ms / 1000)), 'second', 'seconds');
}

/** "5 min 3 s", for a clock that runs down; "0 s" once it is over. */
export function countdownWords(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

const purposeNames: Readonly<Record<string, string>> = {
  research: 'Research',
  treatment: 'Treatment',
  'public-health': 'Public health',
  quality: 'Quality of care',
};

/** "Research: rhythm" of `research/rhythm`; what is not known stays as it is. */
export function purposeWords(purpose: string): string {
  const [first = '', ...rest] = purpose.split('/');
  const name = purposeNames[first];
  if (name === undefined) return purpose;
  return rest.length === 0 ? name : `${name}: ${rest.join(', ').replaceAll('-', ' ')}`;
}

/** What a state means for whoever looks at it. `chip` is how it looks. */
interface PhaseWords {
  readonly name: string;
  readonly chip: '' | 'chip-live' | 'chip-good' | 'chip-bad';
  readonly patient: string;
  readonly researcher: string;
  /** What the running clock ends. */
  readonly clock: string;
}

export const phaseWords: Readonly<Record<GrantPhase, PhaseWords>> = {
  offered: {
    name: 'offered',
    chip: 'chip-live',
    patient: 'You said yes. Nobody has taken it up yet, so nobody can read anything.',
    researcher: 'The patient said yes. Take it up before the offer ends.',
    clock: 'Can be taken up for',
  },
  paid: {
    name: 'paid',
    chip: 'chip-live',
    patient: 'Taken up. The key is being handed over; nothing was read yet.',
    researcher: 'Paid into the contract. The key has to come before the clock ends, or you take your money back.',
    clock: 'The key has to come within',
  },
  delivered: {
    name: 'key delivered',
    chip: 'chip-live',
    patient: 'The key was put on the ledger. You are paid when the time to object is over.',
    researcher: 'The key is on the ledger. Object before the clock ends if it does not open the data.',
    clock: 'Can be objected to for',
  },
  active: {
    name: 'may be read',
    chip: 'chip-good',
    patient: 'The data you agreed to may be read until the clock ends. Every read is listed below.',
    researcher: 'You may read until the clock ends. Each read is logged, and the patient sees it.',
    clock: 'May be read for',
  },
  disputed: {
    name: 'disputed',
    chip: 'chip-bad',
    patient: 'The buyer says that the key does not open the data. The arbiter decides who gets the money.',
    researcher: 'You objected. The arbiter decides who gets the money.',
    clock: 'The arbiter has',
  },
  refunded: {
    name: 'refunded',
    chip: 'chip-bad',
    patient: 'The key did not come in time: the buyer took the money back. Nothing could be read.',
    researcher: 'Your money went back to you.',
    clock: '',
  },
  closed: {
    name: 'ended',
    chip: '',
    patient: 'This has ended. Nothing more can be read from the custodians.',
    researcher: 'This has ended. Nothing more can be read.',
    clock: '',
  },
  revoked: {
    name: 'withdrawn',
    chip: 'chip-bad',
    patient: 'You withdrew it. Nothing more is handed out; what was read before stays read.',
    researcher: 'The patient withdrew consent. Nothing more is handed out, and what you have may not be used further.',
    clock: '',
  },
  expired: {
    name: 'over',
    chip: '',
    patient: 'Its time is over. Nothing more can be read.',
    researcher: 'Its time is over. Nothing more can be read.',
    clock: '',
  },
};

/** Whether withdrawing still changes something. */
export function isRevocable({ phase }: Pick<GrantView, 'phase'>): boolean {
  return phase === 'offered' || phase === 'paid' || phase === 'active';
}

export const askStateWords: Readonly<Record<AskView['state'], string>> = {
  waiting: 'waits for you',
  accepted: 'you said yes',
  refused: 'you said no; nobody was told',
  countered: 'you named another compensation',
  expired: 'over, unanswered',
};

const accessNames: Readonly<Record<string, string>> = {
  read: 'Data were read',
  release: 'The key was handed over',
  denied: 'A read was refused',
  asked: 'A request arrived',
  refused: 'A request was refused',
  accepted: 'A request was accepted',
  revoked: 'Consent was withdrawn',
  emergency: 'Emergency access',
};

export function accessName(kind: string): string {
  return accessNames[kind] ?? kind;
}

/** "Data were read: 12 records, 4,096 bytes, from … until …" */
export function accessWords(access: AccessView): string {
  const name = accessName(access.kind);
  if (access.records === 0 && access.reason !== null) return `${name} (${reasonWords(access.reason)})`;
  if (access.kind !== 'read') return name;
  const amount = `${formatPlural(access.records, 'record', 'records')}, ${formatPlural(access.bytes, 'byte', 'bytes')}`;
  return `${name}: ${amount}, recorded ${spanWords(access.fromMs, access.untilMs)}`;
}

const reasons: Readonly<Record<string, string>> = {
  'unknown-grant': 'no such consent',
  'not-paid': 'not paid',
  'not-final': 'payment not final yet',
  revoked: 'consent withdrawn',
  expired: 'time over',
  'outside-grant': 'outside of what was agreed',
  'not-the-buyer': 'not the one who was allowed',
  replayed: 'the same request twice',
  'ledger-away': 'the ledger did not answer, and then nothing is handed out',
  quota: 'too much at once',
};

export function reasonWords(reason: string): string {
  return reasons[reason] ?? reason;
}

export const alarmTitles: Readonly<Record<AlarmView['kind'], string>> = {
  'denied-read': 'Somebody tried to read your data without leave.',
  'broken-log': 'A custodian’s log is broken.',
  'unlogged-read': 'Data were read without an entry in the log.',
  'split-log': 'A custodian shows different people different logs.',
  'anchor-missing': 'A custodian’s log is not where it has to be shown.',
};

/** Who a cohort is: "at least 24 hours recorded, an irregular rhythm was pointed out" */
export function criteriaWords(criteria: CohortCriteria): string {
  const parts = [
    ...(criteria.recordedHoursMin === undefined
      ? []
      : [`at least ${formatPlural(criteria.recordedHoursMin, 'hour', 'hours')} recorded`]),
    ...(criteria.irregular === undefined
      ? []
      : [criteria.irregular ? 'an irregular rhythm was pointed out' : 'no irregular rhythm was pointed out']),
    ...(criteria.input === undefined ? [] : [inputNames[criteria.input]]),
  ];
  return parts.length === 0 ? 'everybody who may be asked' : parts.join(', ');
}

const inputNames = {
  rr: 'a chest strap (time between beats)',
  hr: 'heart rate alone',
  wrist: 'a sensor at the wrist',
} as const;

const eventNames: Readonly<Record<LedgerEventView['kind'], string>> = {
  purchased: 'An offer was taken up',
  confirmed: 'The buyer confirmed the key; the patient was credited',
  disputed: 'The buyer objected',
  delivered: 'A key was put on the ledger',
  ended: 'Ended',
  withdrawn: 'Money was drawn from a purse',
  anchored: 'A custodian anchored its log',
  accessed: 'An access was logged by itself',
};

export function eventWords(event: LedgerEventView): string {
  if (event.kind === 'ended') return event.status === 'revoked' ? 'Consent was withdrawn' : 'Ended';
  if (event.kind === 'anchored' && event.count !== null) {
    return `${eventNames.anchored}: ${formatPlural(event.count, 'entry', 'entries')}`;
  }
  return eventNames[event.kind];
}

const ledgerKinds: Readonly<Record<LedgerView['kind'], string>> = {
  embedded: 'embedded chain',
  rpc: 'chain over JSON-RPC',
  board: 'public board, without money',
  none: 'no ledger',
};

/** What a ledger is; what it is worth it says itself. */
export function ledgerWords(ledger: LedgerView): string {
  return `${capital(ledgerKinds[ledger.kind])}.`;
}

export const ledgerStates: Readonly<Record<LedgerView['state'], { readonly name: string; readonly text: string }>> = {
  up: { name: 'answers', text: '' },
  away: { name: 'does not answer', text: 'Nothing is handed out until it does. This page goes on looking.' },
  stale: { name: 'is behind', text: 'Its newest block is old, so nothing is handed out until it goes on.' },
  wrong: {
    name: 'is another than configured',
    text: 'Chain or contract are not those that this node was set up with. Nothing is handed out; the operator has to look.',
  },
};

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
