import type { Clock } from '@pulsemesh/base';
import type { Authority } from './authority.ts';
import { AuthorityRefusedError } from './errors.ts';
import { authorityLimits } from './limits.ts';
import {
  assertEmptyMessage,
  decodeBytesMessage,
  decodeEnrolMessage,
  encodeEnrolAnswer,
  encodeListAnswer,
  encodeRootsAnswer,
} from './messages.ts';
import { RateLimiter } from './rate-limiter.ts';

/** The methods of the authority, on links and below `/authority/v1/`; all are open to guests. */
export const authorityMethods = [
  'authority.enrol',
  'authority.status',
  'authority.renew',
  'authority.crl',
  'authority.roots',
] as const;

/** One of {@link authorityMethods}. */
export type AuthorityMethod = (typeof authorityMethods)[number];

/** Answers one message of an agent. */
export interface AuthorityService {
  /**
   * `source`: who asks, for limits: an address, a peer.
   * @throws {AuthorityRefusedError}.
   */
  handle(method: string, message: Uint8Array, source: string): Promise<Uint8Array>;
}

/** The one handler behind both doors, with limits by source. */
export function createAuthorityService(authority: Authority, { clock }: { readonly clock: Clock }): AuthorityService {
  const { requestsPerSource: burst, ratePeriodMs: periodMs, sourcesMax: keysMax } = authorityLimits;
  const limiter = new RateLimiter({ burst, periodMs, keysMax }, { clock });
  return {
    async handle(method, message, source) {
      if (!limiter.take(source)) throw new AuthorityRefusedError('too-many-requests');
      if (message.length > authorityLimits.messageBytesMax) throw new AuthorityRefusedError('malformed');
      return answer(authority, method, message);
    },
  };
}

async function answer(authority: Authority, method: string, message: Uint8Array): Promise<Uint8Array> {
  switch (method) {
    case 'authority.enrol':
      return encodeEnrolAnswer(await authority.enrol(decodeEnrolMessage(message)));
    case 'authority.status':
      return encodeEnrolAnswer(await authority.status(decodeBytesMessage(message, 'id')));
    case 'authority.renew':
      return encodeEnrolAnswer(await authority.renew(decodeBytesMessage(message, 'statement')));
    case 'authority.crl': {
      assertEmptyMessage(message);
      const { der, number } = await authority.list();
      return encodeListAnswer(der, number);
    }
    case 'authority.roots':
      assertEmptyMessage(message);
      return encodeRootsAnswer([authority.root]);
    default:
      throw new AuthorityRefusedError('method-unknown');
  }
}
