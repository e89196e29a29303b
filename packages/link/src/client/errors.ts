import { Condition, type ConditionOptions, errorCode, errorMessage } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';

/**
 * Why a carrier did not come up or is over:
 * `connect-failed` (no connection; the cause says which layer), `no-h2` (ALPN did not give HTTP/2), `upgrade-refused`,
 * `http-status` (an answer that is not ours, `facts.status`), `cut` (ended without our doing), `timeout`, `protocol` (what came
 * is not ours), `too-large` (not even the shortest packet passes), `replaced` (a better one took over), `closed` (we closed it).
 */
export type CarrierErrorCode =
  | 'connect-failed'
  | 'no-h2'
  | 'upgrade-refused'
  | 'http-status'
  | 'cut'
  | 'timeout'
  | 'protocol'
  | 'too-large'
  | 'replaced'
  | 'closed';

/** A carrier could not be opened, or is over. Retryable: another one, or the same one later, may work. */
export class CarrierError extends Condition {
  override readonly name = 'CarrierError';
  constructor(code: CarrierErrorCode, message: string, options: ConditionOptions = {}) {
    super(code, message, { retryable: true, ...options });
  }
}

/** Wraps whatever a connection attempt threw; a condition (which is already a sentence) stays as it is. */
export function asCarrierError(error: unknown): Condition {
  if (error instanceof Condition) return error;
  const code = errorCode(error);
  return new CarrierError('connect-failed', sentenceOf(code, errorMessage(error)), {
    facts: { cause: code },
    cause: error,
  });
}

const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there, or a firewall refuses the connection',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed while sending',
  ETIMEDOUT: 'no answer to the connection attempt: a firewall drops it, or the machine is off',
  EHOSTUNREACH: 'no route to the machine',
  ENETUNREACH: 'no route to the network',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name server does not answer',
  HPE_INVALID_CONSTANT: 'what answers there does not speak HTTP',
};

function sentenceOf(code: string, text: string): string {
  return sentences[code] ?? text;
}

/** One transport that was tried, and what became of it. */
export interface TransportFailure {
  readonly transport: TransportName;
  readonly code: string;
  /** A sentence for the operator. */
  readonly reason: string;
}

/** No transport came through: each is listed with its reason. Retryable. */
export class LinkUnreachableError extends Condition {
  override readonly name = 'LinkUnreachableError';
  readonly failures: readonly TransportFailure[];
  constructor(host: string, failures: readonly TransportFailure[], options: ConditionOptions = {}) {
    const list = reasonsOf(failures)
      .map(([reason, transports]) => `${transports.join(', ')}: ${reason}`)
      .join('; ');
    super('link-unreachable', `cannot reach ${host} in any way (${list || 'nothing was tried'})`, {
      facts: { host, tried: failures.length },
      retryable: true,
      ...options,
    });
    this.failures = failures;
  }
}

/** Each reason once, with the transports that met it. */
function reasonsOf(failures: readonly TransportFailure[]): readonly (readonly [string, readonly string[]])[] {
  const reasons = new Map<string, string[]>();
  for (const { transport, reason } of failures) reasons.set(reason, [...(reasons.get(reason) ?? []), transport]);
  return [...reasons];
}

/** The link was disposed here: what waited for a session ends with this. */
export class LinkDisposedError extends Condition {
  override readonly name = 'LinkDisposedError';
  constructor() {
    super('link-disposed', 'the link was closed here');
  }
}

/** The URL or an option of a link does not say what it should. */
export class LinkOptionError extends Condition {
  override readonly name = 'LinkOptionError';
  constructor(message: string, options: ConditionOptions = {}) {
    super('link-option', message, options);
  }
}
