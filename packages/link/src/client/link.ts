import type { Condition, WaitOptions } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';
import type { LinkSession, LinkStream, ServeOptions, SessionStatus } from '../session.ts';
import type { TransportFailure } from './errors.ts';

export interface LinkStatus {
  /**
   * `connecting`: there is no session, and one is being made. `up`: there is one (which may itself be between two carriers).
   * `refused`: the server will not have us, and nothing is tried any more. `closed`: disposed here.
   */
  readonly state: 'connecting' | 'up' | 'refused' | 'closed';
  /** The session now; null while there is none. */
  readonly session: SessionStatus | null;
  /** The transport in use; null while none is. */
  readonly transport: TransportName | null;
  readonly rttMs: number | null;
  /** Null: not known. True: somebody in between opens the TLS; sizes and times are seen there, content is not. */
  readonly isIntercepted: boolean | null;
  /** The transport an operator asked for; null: the link chooses. */
  readonly pinned: TransportName | null;
  /** Sessions there were, the present one included. More than one: continuity was lost in between. */
  readonly sessions: number;
  /** Why transports that are not in use failed last. */
  readonly failures: readonly TransportFailure[];
  /** Why there is no session, as far as known. */
  readonly problem: Condition | null;
}

/**
 * Keeps a session to one server alive for as long as it lives itself: over whatever passes, and a new one where the old is lost
 * for good. A lost session is never silent: its streams break, and `onSession` tells of the next. Dispose it to end all.
 */
export interface Link extends AsyncDisposable {
  /** The session now; null while there is none. */
  readonly session: LinkSession | null;
  /** Calls back with each session once the login is accepted: at once with the one there is, then with every new one. */
  onSession(handler: (session: LinkSession) => void): Disposable;
  /** The session, waiting for one. @throws {LinkDisposedError}; why the server refuses; `signal.reason`. */
  waitForSession(options?: WaitOptions): Promise<LinkSession>;
  /** Opens a stream once there is a session. Throws as `waitForSession` and {@link LinkSession.open} do. */
  open(method: string, options?: WaitOptions): Promise<LinkStream>;
  /** Answers streams of the server, on this and every later session. @throws {MethodTakenError}. */
  serve(method: string, handler: (stream: LinkStream) => Promise<void> | void, options?: ServeOptions): Disposable;
  /**
   * One message and its one answer, once there is a session. Not repeated when the session is lost meanwhile: whether that
   * is safe, only the caller knows. Throws as `waitForSession` and {@link LinkSession.request} do.
   */
  request(method: string, message: Uint8Array, options?: WaitOptions): Promise<Uint8Array>;
  readonly status: LinkStatus;
  /** Calls back after each change of `status` that a person would notice. */
  onStatus(handler: (status: LinkStatus) => void): Disposable;
  /**
   * Moves the session to this transport, without loss, and stays there until it breaks; null: chooses again.
   * @throws {CarrierError} when it does not come up; {@link LinkOptionError} when it is not among the link's transports;
   * `signal.reason` (the move goes on then).
   */
  use(transport: TransportName | null, options?: WaitOptions): Promise<void>;
  /** Resolves when the link is over: null after disposal, else why the server refuses. Never rejects. */
  readonly closed: Promise<Condition | null>;
}
