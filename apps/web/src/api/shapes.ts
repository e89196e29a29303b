import type {
  AlertView,
  BoardAnswerView,
  BoardPlaceView,
  LedgerView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  PeerView,
  ProfileView,
  RelaySessionView,
  WindowView,
} from '@pulsemesh/node/api';
import { type Decoder, listOf, number, oneOf, orNull, shape, text, truth, UnexpectedShapeError } from './decode.ts';

const language = oneOf('en', 'de', 'fr');

const doctor = shape<NonNullable<PatientInput['doctor']>>({ name: text, email: text, language });

export const patientView: Decoder<PatientView> = shape<PatientView>({
  subject: text,
  userId: text,
  isRegistered: truth,
  name: orNull(text),
  email: orNull(text),
  language: orNull(language),
  doctor: orNull(doctor),
  tells: shape<PatientInput['tells']>({ patient: truth, doctor: truth }),
  device: shape<PatientInput['device']>({ kind: oneOf('live', 'replay') }),
  lastReadingMs: orNull(number),
  lastArrivalMs: orNull(number),
});

export const liveReading: Decoder<LiveReading> = shape<LiveReading>({
  subject: text,
  tMs: number,
  heartRateBpm: number,
  rrMs: listOf(number),
});

export const windowView: Decoder<WindowView> = shape<WindowView>({
  subject: text,
  startMs: number,
  readingCount: number,
  missingSeconds: number,
  isUsable: truth,
  score: orNull(number),
});

export const alertView: Decoder<AlertView> = shape<AlertView>({
  alertId: text,
  subject: text,
  patientName: orNull(text),
  kind: oneOf('irregular-rhythm'),
  episodeStartMs: number,
  raisedForMs: number,
  resolvedMs: orNull(number),
  notifiedCount: number,
  acknowledged: orNull(shape<NonNullable<AlertView['acknowledged']>>({ by: text, atMs: number })),
});

export const relaySessionView: Decoder<RelaySessionView> = shape<RelaySessionView>({
  relay: text,
  url: text,
  state: oneOf('connecting', 'up', 'closed'),
  transport: orNull(text),
  rttMs: orNull(number),
  migrations: number,
  isIntercepted: orNull(truth),
  tls: orNull(text),
  proxy: orNull(text),
});

const peerView: Decoder<PeerView> = shape<PeerView>({
  peerId: text,
  roles: listOf(text),
  pid: number,
  addresses: listOf(text),
  startedMs: number,
  isAlive: truth,
  connections: listOf(text),
  patientCount: orNull(number),
  rssBytes: orNull(number),
  isFirewalled: truth,
  relays: listOf(relaySessionView),
});

export const networkView: Decoder<NetworkView> = shape<NetworkView>({ peers: listOf(peerView), self: text });

export const overview: Decoder<Overview> = shape<Overview>({
  name: text,
  version: text,
  startedMs: number,
  nowMs: number,
  replaySpeed: orNull(number),
  inboxUrl: orNull(text),
  counts: shape<Overview['counts']>({
    readings: number,
    windows: number,
    predictions: number,
    alertsOpen: number,
    notifications: number,
  }),
  disclaimer: text,
});

export const patientList = shape<{ readonly patients: readonly PatientView[] }>({ patients: listOf(patientView) });
export const readingList = shape<{ readonly readings: readonly LiveReading[] }>({ readings: listOf(liveReading) });
export const windowList = shape<{ readonly windows: readonly WindowView[] }>({ windows: listOf(windowView) });
export const alertList = shape<{ readonly alerts: readonly AlertView[] }>({ alerts: listOf(alertView) });

/** `0x` and hex digits, as ids, keys and signatures are written. */
export const hex: Decoder<`0x${string}`> = (value, path) => {
  if (typeof value !== 'string' || value.length > 20_000 || !/^0x[0-9a-f]*$/i.test(value)) {
    throw new UnexpectedShapeError(path, 'hex digits');
  }
  // Tested above.
  return value as `0x${string}`;
};

export const ledgerView: Decoder<LedgerView> = shape<LedgerView>({
  kind: oneOf('embedded', 'rpc', 'board', 'none'),
  chainId: number,
  contract: orNull(hex),
  head: text,
  finalized: text,
  headAgeMs: number,
  sealers: listOf(text),
  codeHash: orNull(hex),
  state: oneOf('up', 'away', 'stale', 'wrong'),
  words: text,
  symbol: text,
  decimals: number,
});

export const profileView: Decoder<ProfileView> = shape<ProfileView>({
  kind: oneOf('home', 'research', 'network'),
  ledger: orNull(ledgerView),
  organisation: orNull(text),
  waiting: listOf(shape<ProfileView['waiting'][number]>({ subject: text, asks: number, alarms: number })),
});

/** Decodes one pushed event; null for a kind this page does not know (a newer server's). */
export function liveEvent(value: unknown): LiveEvent | null {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  switch (type) {
    case 'readings':
      return { type, ...readingList(value, 'event') };
    case 'windows':
      return { type, ...windowList(value, 'event') };
    case 'patients':
      return { type, ...patientList(value, 'event') };
    case 'alert':
      return { type, ...shape<{ alert: AlertView }>({ alert: alertView })(value, 'event') };
    case 'network':
      return { type, ...shape<{ network: NetworkView }>({ network: networkView })(value, 'event') };
    case 'overview':
      return { type, ...shape<{ overview: Overview }>({ overview })(value, 'event') };
    case 'consent':
      return { type, ...shape<{ subject: string | null }>({ subject: orNull(text) })(value, 'event') };
    case 'ledger':
      return { type, ...shape<{ head: string }>({ head: text })(value, 'event') };
    case undefined:
      throw new UnexpectedShapeError('event', 'an object with a type');
    default:
      return null;
  }
}

export const boardAnswer: Decoder<BoardAnswerView> = shape<BoardAnswerView>({
  board: orNull(
    shape<BoardPlaceView>({ key: text, witnesses: listOf(text), quorum: number, authorities: listOf(text) }),
  ),
});
