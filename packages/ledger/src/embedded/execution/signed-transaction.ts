import type { Common } from '@ethereumjs/common';
import { Capability, createTxFromRLP, TransactionType, type TypedTransaction } from '@ethereumjs/tx';
import { bigIntToUnpaddedBytes } from '@ethereumjs/util';
import { RpcRefusal, rpcCodes } from '../errors.ts';
import { embeddedLimits } from '../limits.ts';
import { toHex } from '../state/hex.ts';
import type { RecoverKey } from './recover-key.ts';

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
export function readTransaction(raw: Uint8Array, rules: Common): TypedTransaction {
  if (raw.length > embeddedLimits.transactionBytesMax) {
    throw new RpcRefusal(rpcCodes.limit, 'over the limit transactionBytesMax');
  }
  const tx = decode(raw, rules);
  if (!takenTypes.includes(tx.type)) throw new RpcRefusal(rpcCodes.input, `transaction type ${tx.type} is not taken`);
  if (tx.type === TransactionType.Legacy && !tx.supports(Capability.EIP155ReplayProtection)) {
    throw new RpcRefusal(rpcCodes.input, 'only replay-protected (EIP-155) transactions allowed over RPC');
  }
  return tx;
}

/** The same with who signed it. @throws {RpcRefusal} where nobody did. */
export function withSender(tx: TypedTransaction, raw: Uint8Array): SignedTransaction {
  try {
    const sender = tx.getSenderAddress().bytes;
    return { tx, raw, hash: tx.hash(), sender, senderHex: toHex(sender) };
  } catch {
    throw new RpcRefusal(rpcCodes.input, 'invalid sender');
  }
}

/** What recovering a transaction's sender asks `RecoverKey`; null for one that nobody signed. */
export function recoveryInput(tx: TypedTransaction): Parameters<RecoverKey> | null {
  const { v, r, s } = tx;
  if (v === undefined || r === undefined || s === undefined) return null;
  const chainId = tx.supports(Capability.EIP155ReplayProtection) ? tx.common.chainId() : undefined;
  return [tx.getMessageToVerifySignature(), v, bigIntToUnpaddedBytes(r), bigIntToUnpaddedBytes(s), chainId];
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
