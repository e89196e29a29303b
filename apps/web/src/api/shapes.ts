import type {
  AlertView,
  BoardAnswerView,
  BoardPlaceView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  PeerView,
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
