import { X509Certificate } from 'node:crypto';
import { Condition, startTicker } from '@pulsemesh/base';
import type { Authority } from '@pulsemesh/identity/authority';
import type { LinkSession, SessionServer } from '@pulsemesh/link';
import type { NodeDependencies } from '../process/node-context.ts';

/** When sessions of members are looked at. */
export const standingTiming = {
  /** How long a session goes on after the end of its agent's last certificate: clocks differ. */
  graceMs: 300_000,
  lookPeriodMs: 30_000,
} as const;

/** A key or certificate was revoked: its sessions end. */
export class RevokedError extends Condition {
  override readonly name = 'RevokedError';
  constructor() {
    super('certificate-revoked', 'the certificate or key of this agent was revoked');
  }
}

/** The certificate ran out and was not renewed. Retryable: the agent comes again as a guest, and renews. */
export class CertificateEndedError extends Condition {
  override readonly name = 'CertificateEndedError';
  constructor() {
    super('certificate-expired', 'the certificate of this agent has expired', { retryable: true });
  }
}

export interface StandingOptions {
  readonly authority: Pick<Authority, 'agent' | 'isRevoked' | 'revocations'>;
  readonly sessions: Pick<SessionServer, 'onSession'>;
  /** Whose certificates do not matter. */
  readonly allowed: ReadonlySet<string>;
}

/**
 * Ends sessions that outlive what let them in: of agents revoked between their login's judgement and its end, and of those whose
 * certificate ran out without the authority having issued the next. Until disposed.
 */
export function watchStanding(
  { authority, sessions, allowed }: StandingOptions,
  { clock, logger }: Pick<NodeDependencies, 'clock' | 'logger'>,
): Disposable {
  const ends = new Map<LinkSession, number>();
  sessions.onSession((session) => {
    const { peerId, isGuest, certificates } = session.remote;
    if (isGuest) return;
    const [own] = allowed.has(peerId) ? [] : certificates;
    const shown = own === undefined ? null : new X509Certificate(own);
    const isTakenBack = shown !== null && authority.revocations.isRevoked(shown.serialNumber.toLowerCase());
    if (isTakenBack || authority.isRevoked(peerId)) return session.end(new RevokedError());
    if (shown === null) return;
    ends.set(session, shown.validToDate.getTime());
    void session.closed.then(() => ends.delete(session));
  });
  const look = () => {
    const sinceMs = clock.now() - standingTiming.graceMs;
    for (const [session, notAfterMs] of [...ends]) {
      if (notAfterMs >= sinceMs) continue;
      const renewedMs = authority.agent(session.remote.peerId)?.notAfterMs ?? 0;
      if (renewedMs >= sinceMs) ends.set(session, renewedMs);
      else session.end(new CertificateEndedError());
    }
  };
  const ticker = startTicker(clock, standingTiming.lookPeriodMs, look, () =>
    logger.warn('the certificates of open sessions could not be looked at'),
  );
  return { [Symbol.dispose]: () => ticker.stop() };
}
