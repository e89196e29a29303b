import { serializeSignature, type TransactionSerializable } from 'viem';
import { privateKeyToAccount, sign } from 'viem/accounts';
import type { Hex } from '../../offer/offer.ts';

/** An account on the ledger whose key this process holds. Prints as its address only. */
export interface AccountSigner {
  /** With EIP-55 capitals. */
  readonly address: Hex;
  /** The signed transaction, ready to be sent. */
  signTransaction(transaction: TransactionSerializable): Promise<Hex>;
  /** Signs 32 bytes as they are (an EIP-712 digest): 65 bytes r ‖ s ‖ v. */
  signDigest(digest: Hex): Promise<Hex>;
  toJSON(): { readonly address: Hex };
}

/** @throws {RangeError} for what is not a private key of secp256k1 (32 bytes in hex); its text never holds what was given. */
export function createLocalSigner(privateKey: Hex): AccountSigner {
  const account = accountOf(privateKey);
  return {
    address: account.address,
    signTransaction: (transaction) => account.signTransaction(transaction),
    signDigest: async (digest) => serializeSignature(await sign({ hash: digest, privateKey })),
    toJSON: () => ({ address: account.address }),
  };
}

function accountOf(privateKey: Hex) {
  if (/^0x[0-9a-f]{64}$/i.test(privateKey)) {
    try {
      return privateKeyToAccount(privateKey);
    } catch {
      // Zero, or past the curve's order. The library's error could quote it.
    }
  }
  throw new RangeError('not a private key of secp256k1');
}
