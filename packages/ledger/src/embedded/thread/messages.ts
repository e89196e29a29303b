import type { LogFields } from '@pulsemesh/base';
import type { Instruments } from '../chain/instruments.ts';
import type { RpcOutcome } from '../rpc/dispatch.ts';
import type { ChainFacts } from '../running-chain.ts';

/** To the thread. */
export type ThreadRequest =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly kind: 'close' };

/** One step of a counter, or one observation. */
export interface Measured {
  readonly name: keyof Instruments;
  readonly value: number;
}

/** From the thread. */
export type ThreadReport =
  | { readonly kind: 'started'; readonly facts: ChainFacts }
  | { readonly kind: 'not-started'; readonly fault: ThreadFault }
  | { readonly kind: 'answer'; readonly id: number; readonly outcome: RpcOutcome }
  | {
      readonly kind: 'log';
      readonly level: 'error' | 'warn' | 'info' | 'debug';
      readonly message: string;
      readonly fields: LogFields;
    }
  | { readonly kind: 'measured'; readonly measured: readonly Measured[] }
  | { readonly kind: 'closed' };

/** A condition, carried over the thread's border by what makes it. */
export type ThreadFault =
  | { readonly kind: 'in-use' }
  | { readonly kind: 'full'; readonly reason: string }
  | { readonly kind: 'schema'; readonly found: string; readonly known: number }
  | { readonly kind: 'other'; readonly what: string }
  | { readonly kind: 'damaged'; readonly what: string; readonly block: number | null }
  | { readonly kind: 'address'; readonly place: string; readonly refusal: string }
  | { readonly kind: 'failed'; readonly text: string };
