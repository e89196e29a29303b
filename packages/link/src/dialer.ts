import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ConnectionFacts } from './carrier.ts';

/** Where to connect to, and what to say once there. */
export interface DialTarget {
  /** Name or address as in the link's URL, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Absent: plaintext. */
  readonly tls?: {
    /** The name the certificate must carry, also sent as SNI where it is a name. */
    readonly servername: string;
    /** Protocols offered, best first: `h2`, `http/1.1`. */
    readonly alpn: readonly string[];
  };
  /** Aborting ends the attempt and closes whatever was opened for it. */
  readonly signal?: AbortSignal;
}

/** A connection that is ready for use: the proxy passed, TLS done and the certificate checked. */
export interface DialedConnection {
  /** Belongs to the caller, who must destroy it. Nothing was read from it yet. */
  readonly socket: Socket | TLSSocket;
  /** `tls`, `certificateSha256`, `http` (what ALPN chose), `proxy`. */
  readonly facts: ConnectionFacts;
}

/** Opens connections, through a proxy where one is needed. The one way out of the process for every carrier of Node. */
export interface Dialer {
  /**
   * @throws a {@link Condition} that says in a sentence what stood in the way (name, address, proxy, password, certificate);
   * `signal.reason` when aborted.
   */
  connect(target: DialTarget): Promise<DialedConnection>;
}
