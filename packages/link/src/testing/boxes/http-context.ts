import type { Agent } from 'node:http';
import type { Clock } from '@pulsemesh/base';
import type { Place } from './stage.ts';

/** What a box does to HTTP that it looks into. */
export interface HttpRules {
  /**
   * A WebSocket's Upgrade: passed, its headers removed, answered 403, or accepted with 101 and everything after it swallowed.
   * Default `pass`. Over HTTP/2 the same holds for RFC 8441's CONNECT.
   */
  readonly upgrade?: 'pass' | 'strip' | 'refuse' | 'swallow';
  /** A response is given on only when it is complete. */
  readonly buffersResponses?: boolean;
  /** A request is given on only when it is complete. */
  readonly buffersRequests?: boolean;
  /** Longer request bodies are answered 413. */
  readonly bodyBytesMax?: number;
  /** Requests are cut after so long: 504 when nothing was answered yet, else the connection. Upgraded ones too. */
  readonly requestMsMax?: number;
  /** It speaks HTTP/2 as well; else ALPN gets no further than http/1.1. */
  readonly isHttp2?: boolean;
  /** The newest TLS it speaks with agents. */
  readonly tlsVersionMax?: 'TLSv1.2' | 'TLSv1.3';
}

/** The server behind the box. */
export interface BoxTarget extends Place {
  /** How the box checks the server's TLS; absent: the server speaks plaintext, and so does the box. */
  readonly tls?: { readonly ca: string; readonly servername?: string };
}

/** What the forwarders share. */
export interface HttpContext {
  readonly rules: HttpRules;
  readonly target: BoxTarget;
  readonly clock: Clock;
  readonly agent: Agent;
  /** Sees what an inspecting box sees inside TLS: bodies and what follows an Upgrade, both ways. */
  readonly tap: (bytes: Uint8Array) => void;
}

/** Bytes of one buffered message; past it the box gives up on the exchange. */
export const bufferedBytesMax = 16 * 2 ** 20;
