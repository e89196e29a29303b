import { Condition, type ErrorFacts } from '@pulsemesh/base';

/** The directory holds a chain with another id, sealer or genesis than asked for. Nothing was changed. */
export class OtherChainError extends Condition {
  override readonly name = 'OtherChainError';
  constructor(what: string) {
    super('embedded-chain-other', `the directory holds another chain: its ${what} differs`, { facts: { what } });
  }
}

/** What is on the disk is not what was written: the chain does not start. `kind` as in {@link ChainFault}. */
export class ChainDamagedError extends Condition {
  override readonly name = 'ChainDamagedError';
  constructor(kind: string, block: number | null, options: { readonly cause?: unknown } = {}) {
    super('embedded-chain-damaged', `the chain is damaged: ${kind}${block === null ? '' : ` at block ${block}`}`, {
      facts: { kind, block },
      ...options,
    });
  }
}

/** Its JSON-RPC cannot listen where it should; `refusal` is what the operating system says (`EADDRINUSE`, `EACCES`). */
export class ChainAddressError extends Condition {
  override readonly name = 'ChainAddressError';
  constructor(place: string, refusal: string) {
    super('embedded-chain-address', `the embedded chain cannot listen on ${place}: ${refusal}`, {
      facts: { place, refusal },
    });
  }
}

/** The chain was closed, or its thread ended. */
export class ChainClosedError extends Condition {
  override readonly name = 'ChainClosedError';
  constructor(options: { readonly cause?: unknown } = {}) {
    super('embedded-chain-closed', 'the embedded chain is closed', { retryable: true, ...options });
  }
}

/** Codes of JSON-RPC 2.0 §5.1, EIP-1474 and, for a revert, what all clients know since geth 1.9.15. */
export const rpcCodes = {
  parse: -32_700,
  request: -32_600,
  method: -32_601,
  params: -32_602,
  internal: -32_603,
  input: -32_000,
  unavailable: -32_002,
  rejected: -32_003,
  limit: -32_005,
  revert: 3,
} as const;

/** What a JSON-RPC call is refused with: `rpcCode` and `data` go out as `code` and `data`. */
export class RpcRefusal extends Condition {
  override readonly name = 'RpcRefusal';
  readonly rpcCode: number;
  /** Of a revert: what the contract returned, hex. */
  readonly data: string | undefined;
  constructor(rpcCode: number, message: string, options: { readonly data?: string; readonly facts?: ErrorFacts } = {}) {
    super('embedded-chain-refused', message, {
      facts: { rpcCode, ...options.facts },
      retryable: rpcCode === rpcCodes.limit || rpcCode === rpcCodes.unavailable,
    });
    this.rpcCode = rpcCode;
    this.data = options.data;
  }
}

/** Too much at once of what `limit` names. */
export function overLimit(limit: string): RpcRefusal {
  return new RpcRefusal(rpcCodes.limit, `over the limit ${limit}`, { facts: { limit } });
}
