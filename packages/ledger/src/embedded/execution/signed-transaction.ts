import type { Common } from '@ethereumjs/common';
import { Capability, createTxFromRLP, TransactionType, type TypedTransaction } from '@ethereumjs/tx';
import { RpcRefusal, rpcCodes } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import { toHex } from '../state/hex.ts';

/** A transaction that was read and whose signature holds. */
export interface SignedTransaction {
  readonly tx: TypedTransaction;
  readonly raw: Uint8Array;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** 20 bytes. */
  readonly sender: Uint8Array;
  /** `sender` in lower-case hex without 0x. */
  readonly senderHex: string;
}

const takenTypes: readonly number[] = [
  TransactionType.Legacy,
  TransactionType.AccessListEIP2930,
  TransactionType.FeeMarketEIP1559,
];

/**
 * Reads a signed transaction: legacy with a chain id (EIP-155), with an access list, or with a fee market. Blobs have nowhere to go here,
 * and delegated accounts (EIP-7702) are not needed.
 * @throws {RpcRefusal} for everything else.
 */
export function parseTransaction(raw: Uint8Array, rules: Common): SignedTransaction {
  if (raw.length > embeddedLimits.transactionBytesMax) {
    throw new RpcRefusal(rpcCodes.limit, 'over the limit transactionBytesMax');
  }
  const tx = decode(raw, rules);
  if (!takenTypes.includes(tx.type)) throw new RpcRefusal(rpcCodes.input, `transaction type ${tx.type} is not taken`);
  if (tx.type === TransactionType.Legacy && !tx.supports(Capability.EIP155ReplayProtection)) {
    throw new RpcRefusal(rpcCodes.input, 'only replay-protected (EIP-155) transactions allowed over RPC');
  }
  try {
    const sender = tx.getSenderAddress().bytes;
    return { tx, raw, hash: tx.hash(), sender, senderHex: toHex(sender) };
  } catch {
    throw new RpcRefusal(rpcCodes.input, 'invalid sender');
  }
}

function decode(raw: Uint8Array, rules: Common): TypedTransaction {
  try {
    return createTxFromRLP(raw, { common: rules });
  } catch (error) {
    // The library's text names the field at fault; it quotes numbers, never the data.
    const text = error instanceof Error ? error.message.slice(0, 200) : 'not a transaction';
    throw new RpcRefusal(rpcCodes.input, `not a transaction that is taken: ${text}`);
  }
}
