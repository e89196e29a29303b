import type { TransportName } from '../carrier.ts';

/** What is looked at, in this order; a later one needs the earlier ones. */
export const layerNames = [
  'dns',
  'tcp',
  'proxy',
  'tls',
  'alpn',
  'server',
  'upgrade',
  'buffering',
  'body-limit',
  'idle-limit',
  'clock',
] as const;

export type LayerName = (typeof layerNames)[number];

/** What was found out about one layer. */
export interface LayerFinding {
  readonly name: LayerName;
  /** `limited`: works, with something in the way. `skipped`: an earlier layer failed, or there is nothing to look at. */
  readonly state: 'ok' | 'limited' | 'blocked' | 'skipped';
  /** One sentence: what is so, or what is blocked and by whom. */
  readonly finding: string;
  /** What an administrator could change; null: nothing needs to be. */
  readonly advice: string | null;
}

/** The finding of a layer that was not looked at because an earlier one is blocked. */
export const notTried = 'Not tried: something before it is in the way.';

/** How one transport did. */
export interface TransportFinding {
  readonly name: TransportName;
  readonly ok: boolean;
  /** Why not; null where it is ok. */
  readonly reason: string | null;
  /** From the first packet towards the proxy or server until data had made a round trip, milliseconds. */
  readonly firstEchoMs: number | null;
  /** A round trip afterwards, milliseconds; median of some. */
  readonly rttMs: number | null;
}

/** What `pulsemesh doctor` found out. */
export interface DoctorReport {
  readonly url: string;
  /** Host and port of the proxy in use; null: none. */
  readonly proxy: string | null;
  /** Whose certificate is shown, where there is TLS. */
  readonly issuer: string | null;
  /** Somebody in between opens the TLS: sizes and times are seen there, content is not. Null: not known. */
  readonly isIntercepted: boolean | null;
  readonly transports: readonly TransportFinding[];
  /** What an agent would use here; null: nothing passes. */
  readonly chosen: TransportName | null;
  /** Until an agent that races all of them had its first echo, milliseconds. */
  readonly firstEchoMs: number | null;
  readonly layers: readonly LayerFinding[];
}
