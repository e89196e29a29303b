export type * from './consent-types.ts';

/**
 * The shapes of the HTTP API as JSON, shared with the web page. Times are milliseconds since 1970 (UTC)
 * unless the name says seconds. All routes are under /api/v1 and want `Authorization: Bearer <token>`.
 *
 * GET  /api/v1/overview                     → Overview
 * GET  /api/v1/patients                     → { patients: PatientView[] }
 * POST /api/v1/patients                     PatientInput → PatientView (201)
 * PUT  /api/v1/patients/:subject            PatientInput → PatientView
 * GET  /api/v1/patients/:subject/readings?fromMs=&untilMs=   → { readings: LiveReading[] }
 * GET  /api/v1/patients/:subject/windows?fromMs=&untilMs=    → { windows: WindowView[] }
 * GET  /api/v1/alerts                       → { alerts: AlertView[] }, newest first
 * POST /api/v1/alerts/:alertId/acknowledge  → AlertView
 * GET  /api/v1/network                      → NetworkView
 * POST /api/v1/network/peers/:peerId/relays/:relay/move   MoveInput → RelaySessionView
 * GET  /api/v1/live                         server-sent events: LiveEvent (the token may come as ?token= here only)
 * Consent, compensation and access: consent-types.ts
 * GET  /api/v1/openapi.json, GET /metrics, GET /healthz (no token: openapi, healthz)
 */
export interface PatientInput {
  /** What the wearable calls its wearer. */
  readonly userId: string;
  readonly name: string;
  readonly email: string;
  /** BCP 47: mails are written in it. */
  readonly language: 'en' | 'de' | 'fr';
  readonly doctor: { readonly name: string; readonly email: string; readonly language: 'en' | 'de' | 'fr' } | null;
  /** Who is told of an alert. */
  readonly tells: { readonly patient: boolean; readonly doctor: boolean };
  readonly device: { readonly kind: 'live' | 'replay' };
}

export interface PatientView {
  /** 32 hex characters. */
  readonly subject: string;
  readonly userId: string;
  readonly isRegistered: boolean;
  readonly name: string | null;
  readonly email: string | null;
  readonly language: 'en' | 'de' | 'fr' | null;
  readonly doctor: PatientInput['doctor'];
  readonly tells: PatientInput['tells'];
  readonly device: { readonly kind: 'live' | 'replay' };
  /** When the newest reading was measured, and when it came; null before the first. */
  readonly lastReadingMs: number | null;
  readonly lastArrivalMs: number | null;
}

export interface LiveReading {
  readonly subject: string;
  readonly tMs: number;
  readonly heartRateBpm: number;
  readonly rrMs: readonly number[];
}

export interface WindowView {
  readonly subject: string;
  readonly startMs: number;
  readonly readingCount: number;
  readonly missingSeconds: number;
  readonly isUsable: boolean;
  /** 0 … 1, null when not usable or not yet predicted. */
  readonly score: number | null;
}

export interface AlertView {
  readonly alertId: string;
  readonly subject: string;
  readonly patientName: string | null;
  readonly kind: 'irregular-rhythm';
  /** Recording time of the episode's first window; of the window that tipped it; of its end (null: goes on). */
  readonly episodeStartMs: number;
  readonly raisedForMs: number;
  readonly resolvedMs: number | null;
  /** Mails accepted by the mail server so far. */
  readonly notifiedCount: number;
  readonly acknowledged: { readonly by: string; readonly atMs: number } | null;
}

export interface PeerView {
  readonly peerId: string;
  readonly roles: readonly string[];
  readonly pid: number;
  readonly addresses: readonly string[];
  readonly startedMs: number;
  readonly isAlive: boolean;
  /** Peers it is connected to. */
  readonly connections: readonly string[];
  /** Subjects this peer aggregates now (aggregation peers only). */
  readonly patientCount: number | null;
  readonly rssBytes: number | null;
  /** Nobody can connect to it: it takes part through relays alone. */
  readonly isFirewalled: boolean;
  /** Its sessions with relays; empty where it has none. */
  readonly relays: readonly RelaySessionView[];
}

/** The ways on which a session with a relay can run, best first; those of the link's wire without the file drop. */
export const relayTransports = [
  'grpc',
  'websocket',
  'websocket-h2',
  'stream',
  'sse',
  'long-poll',
  'short-poll',
] as const;

export type RelayTransport = (typeof relayTransports)[number];

/** A peer's session with one relay. */
export interface RelaySessionView {
  /** Peer id of the relay. */
  readonly relay: string;
  /** The relay's address as this peer was configured. */
  readonly url: string;
  /** `connecting`: nothing passes now, nothing is lost. */
  readonly state: 'connecting' | 'up' | 'closed';
  /** What it runs on now; null while nothing passes. */
  readonly transport: string | null;
  /** Of a round trip to the relay, rounded. */
  readonly rttMs: number | null;
  /** How often it moved from one connection to another. */
  readonly migrations: number;
  /** True: somebody in between opens the TLS (contents are sealed all the same). Null: not known. */
  readonly isIntercepted: boolean | null;
  /** `TLSv1.3`, `TLSv1.2` or `plaintext`; null: not known. */
  readonly tls: string | null;
  /** Host and port of the proxy in between that was asked to connect; null: none. */
  readonly proxy: string | null;
}

/** Where an operator wants a session with a relay to run. */
export interface MoveInput {
  readonly transport: RelayTransport;
}

export interface NetworkView {
  readonly peers: readonly PeerView[];
  /** Peer id of this gateway. */
  readonly self: string;
}

export interface Overview {
  readonly name: string;
  readonly version: string;
  readonly startedMs: number;
  readonly nowMs: number;
  /** How much faster than life the devices replay; 1 = real time; null = no replay. */
  readonly replaySpeed: number | null;
  /** Address of the demo's mail inbox page, or null. */
  readonly inboxUrl: string | null;
  readonly counts: {
    readonly readings: number;
    readonly windows: number;
    readonly predictions: number;
    readonly alertsOpen: number;
    readonly notifications: number;
  };
  /** Screening, not diagnosis: the text to show wherever a result is shown. */
  readonly disclaimer: string;
}

export type LiveEvent =
  | { readonly type: 'readings'; readonly readings: readonly LiveReading[] }
  | { readonly type: 'windows'; readonly windows: readonly WindowView[] }
  | { readonly type: 'alert'; readonly alert: AlertView }
  | { readonly type: 'patients'; readonly patients: readonly PatientView[] }
  | { readonly type: 'network'; readonly network: NetworkView }
  | { readonly type: 'overview'; readonly overview: Overview }
  /** Something about consent changed: of one patient, or of the researcher's office (null). To be fetched anew. */
  | { readonly type: 'consent'; readonly subject: string | null }
  /** The ledger's head, in decimal digits. */
  | { readonly type: 'ledger'; readonly head: string };

/** Which board the page shows, and whom of it to believe. Keys are verifier keys as C2SP signed-note writes them. */
export interface BoardPlaceView {
  readonly key: string;
  readonly witnesses: readonly string[];
  /** How many of the witnesses must have cosigned. */
  readonly quorum: number;
  /** Peers that may revoke keys that are not their own. */
  readonly authorities: readonly string[];
}

/** The board's resources are read at `/board/…` of the same server. */
export interface BoardAnswerView {
  /** Null: this gateway shows none. */
  readonly board: BoardPlaceView | null;
}
