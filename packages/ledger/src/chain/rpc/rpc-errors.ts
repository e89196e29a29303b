import { Condition } from '@pulsemesh/base';
import { LedgerWrongError } from '../../grants/errors.ts';
import { chainLimits } from '../chain-limits.ts';

/** How a provider failed to answer. */
export type ProviderFault = 'network' | 'timeout' | 'http' | 'busy' | 'size' | 'form';

/** A provider gave no usable answer; another may. `provider` is its place and host, never its whole address, which may hold a key. */
export class ProviderFailure extends Condition {
  override readonly name = 'ProviderFailure';
  readonly fault: ProviderFault;
  constructor(
    provider: string,
    fault: ProviderFault,
    options: { readonly cause?: unknown; readonly where?: string; readonly httpStatus?: number } = {},
  ) {
    const { cause, where, httpStatus } = options;
    super('provider-failed', `the ledger's provider ${provider} failed: ${fault}`, {
      facts: { provider, fault, where, httpStatus },
      retryable: true,
      ...(cause === undefined ? {} : { cause }),
    });
    this.fault = fault;
  }
}

/** A provider answered with an error of JSON-RPC. Its text is the provider's and is not part of the message. */
export class RpcError extends Condition {
  override readonly name = 'RpcError';
  readonly rpcCode: number;
  /** The provider's words, shortened, printable. */
  readonly text: string;
  /** Of a revert: what the contract returned. */
  readonly data: `0x${string}` | null;
  constructor(rpcCode: number, text: string, data: unknown) {
    super('rpc-error', `the ledger's provider answers with error ${rpcCode}`, { facts: { rpcCode } });
    this.rpcCode = rpcCode;
    this.text = text.slice(0, chainLimits.errorTextMax).replace(/[^\x20-\x7e]/g, '?');
    this.data = revertDataOf(data);
  }

  /** The contract said no: no other provider would say otherwise. */
  get isRevert(): boolean {
    return this.rpcCode === 3 || this.data !== null || /revert/i.test(this.text);
  }
}

/** Providers put it at `data`, or one level deeper. */
function revertDataOf(data: unknown): `0x${string}` | null {
  if (typeof data === 'object' && data !== null && 'data' in data) return revertDataOf(data.data);
  if (typeof data !== 'string' || data.length > 2 + 2 * chainLimits.revertBytesMax) return null;
  return /^0x([0-9a-f]{2})+$/i.test(data) ? (data.toLowerCase() as `0x${string}`) : null; // as the pattern says
}

/** Whether what failed may pass without anybody changing this program: then it is tried again. A bug, or a disk that failed, is not. */
export function isPassing(error: unknown): boolean {
  if (error instanceof RpcError || error instanceof LedgerWrongError) return true;
  return error instanceof Condition && error.retryable;
}
