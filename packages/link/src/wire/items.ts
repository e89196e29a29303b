/** What a batch carries: one numbered step of the session. The field numbers of `Item` in `link.proto` follow this order. */
export type Item =
  | LoginItem
  | LoginResultItem
  | OpenItem
  | DataItem
  | CreditItem
  | EndItem
  | ResetItem
  | GoodbyeItem
  | UnknownItem;

export interface LoginItem {
  readonly kind: 'login';
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  readonly invitation: Uint8Array;
  readonly software: string;
}

export interface LoginResultItem {
  readonly kind: 'login-result';
  readonly isAccepted: boolean;
  readonly code: string;
  readonly text: string;
  readonly isGuest: boolean;
}

export interface OpenItem {
  readonly kind: 'open';
  readonly stream: number;
  readonly method: string;
}

export interface DataItem {
  readonly kind: 'data';
  readonly stream: number;
  readonly payload: Uint8Array;
  readonly more: boolean;
}

export interface CreditItem {
  readonly kind: 'credit';
  readonly stream: number;
  readonly bytes: number;
}

export interface EndItem {
  readonly kind: 'end';
  readonly stream: number;
}

export interface ResetItem {
  readonly kind: 'reset';
  readonly stream: number;
  readonly code: string;
  readonly text: string;
  readonly isRetryable: boolean;
}

export interface GoodbyeItem {
  readonly kind: 'goodbye';
  readonly code: string;
  readonly text: string;
  readonly isRetryable: boolean;
}

/** Of a later version: counted as received, otherwise ignored. */
export interface UnknownItem {
  readonly kind: 'unknown';
}

/** One sealed unit: what is acknowledged, asked and carried. */
export interface Batch {
  readonly ack: number;
  readonly route: number;
  readonly resend: boolean;
  /** Number of `items[0]`. */
  readonly first: number;
  readonly items: readonly Item[];
  readonly ping: number;
  readonly pong: number;
  readonly close: boolean;
  /** The certificate served now, where it is not the welcome's; else empty. */
  readonly certificate: Uint8Array;
}
