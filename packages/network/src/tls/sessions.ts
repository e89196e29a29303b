import type { Clock } from '@pulsemesh/base';
import { tlsLimits } from './limits.ts';
import type { PeerCertificate } from './peer-certificate.ts';

/** A TLS session as node's TLS gave it, and whom its full handshake proved to be at the other end. */
export interface KeptSession {
  readonly session: Buffer;
  readonly server: PeerCertificate;
  /** When the full handshake was, monotonic milliseconds. */
  readonly provenAtMs: number;
}

/**
 * The last session with each peer, for resumption. It is kept under the peer id that a full handshake proved and offered
 * only to who is expected to be that peer; who does not have the other half of it cannot take it up (RFC 8446 §2.2).
 */
export class ClientSessions {
  readonly #sessions = new Map<string, KeptSession>();
  readonly #clock: Clock;
  readonly #sessionsMax: number;

  constructor({ clock }: { readonly clock: Clock }, sessionsMax: number = tlsLimits.sessionsMax) {
    this.#clock = clock;
    this.#sessionsMax = sessionsMax;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The session to offer to `peer`, if there is one whose time is not up. */
  find(peer: string): KeptSession | undefined {
    const kept = this.#sessions.get(peer);
    if (kept === undefined) return undefined;
    const nowMs = this.#clock.now();
    const isOld = this.#clock.monotonicMs() - kept.provenAtMs > tlsLimits.sessionMs;
    if (isOld || nowMs < kept.server.notBeforeMs || nowMs > kept.server.notAfterMs) {
      this.#sessions.delete(peer);
      return undefined;
    }
    return kept;
  }

  /** Keeps `kept` instead of what there was; the full store forgets the session kept longest ago. */
  keep(peer: string, kept: KeptSession): void {
    if (kept.session.length > tlsLimits.sessionBytesMax) return;
    this.#sessions.delete(peer);
    this.#sessions.set(peer, kept);
    if (this.#sessions.size > this.#sessionsMax) this.#sessions.delete(this.#sessions.keys().next().value ?? '');
  }

  forget(peer: string): void {
    this.#sessions.delete(peer);
  }
}
