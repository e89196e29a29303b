import { Condition, errorCode } from '@pulsemesh/base';

/** Announcements cannot be sent or heard on a network: another program holds the port, the interface is gone, no route leads there. */
export class MulticastError extends Condition {
  override readonly name = 'MulticastError';

  constructor(reason: MulticastReason, network: string, cause: unknown) {
    super('multicast', `announcements on ${network}: ${reason}`, {
      facts: { reason, network },
      retryable: reason !== 'not-permitted',
      cause,
    });
  }
}

/** What is in the way of announcements. */
export type MulticastReason = 'port-taken' | 'interface-gone' | 'no-route' | 'not-permitted' | 'failed';

/** What stands behind an error of the system. */
export function multicastReason(error: unknown): MulticastReason {
  return reasons[errorCode(error)] ?? 'failed';
}

const reasons: Readonly<Record<string, MulticastReason>> = {
  EADDRINUSE: 'port-taken',
  ENODEV: 'interface-gone',
  EADDRNOTAVAIL: 'interface-gone',
  ENXIO: 'interface-gone',
  ENETUNREACH: 'no-route',
  EHOSTUNREACH: 'no-route',
  ENETDOWN: 'no-route',
  EACCES: 'not-permitted',
  EPERM: 'not-permitted',
};
