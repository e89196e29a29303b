import type { TransportName } from '../carrier.ts';
import type { TransportFailure } from './errors.ts';

/** What the ladder wants done. `attempt` names one carrier from its opening to its end. */
export type LadderCommand =
  /** Open a carrier and attach it; answer with `proven` or `failed`. */
  | { readonly kind: 'open'; readonly attempt: number; readonly transport: TransportName }
  /** Close it, or give up opening it; nothing is to be answered. */
  | { readonly kind: 'close'; readonly attempt: number; readonly why: 'replaced' | 'timeout' | 'worse' }
  /** Make a round trip; answer with `probed`. */
  | { readonly kind: 'probe'; readonly attempt: number }
  | { readonly kind: 'use'; readonly attempt: number }
  /** A whole round came to nothing; the next one begins by itself. */
  | { readonly kind: 'exhausted'; readonly failures: readonly TransportFailure[] };

/** What is worth remembering of a network. */
export interface LadderMemo {
  readonly winner: TransportName | null;
  readonly heartbeatMs: Readonly<Partial<Record<TransportName, number>>>;
  readonly lifetimeMs: Readonly<Partial<Record<TransportName, number>>>;
}

export interface LadderOptions {
  /** Those to be tried; the order of preference is that of `transportNames`. */
  readonly transports: readonly TransportName[];
  readonly memo?: LadderMemo | null;
}
