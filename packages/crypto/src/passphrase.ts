import { Condition, type Random } from '@pulsemesh/base';
import * as primitives from '#primitives';

/** How a key was made from a passphrase: not secret, kept beside what the key seals. */
export interface PassphraseParameters {
  /** 16 bytes. */
  readonly salt: Uint8Array;
  /** log2 of scrypt's N; memory is 2^costLog2 KiB at block size 8. */
  readonly costLog2: number;
  /** scrypt's r. */
  readonly blockSize: number;
  /** scrypt's p. */
  readonly parallelism: number;
}

/** What is accepted: from below against guessing, from above against a file that asks for all the memory there is. */
export const passphraseLimits = { costLog2Min: 14, costLog2Max: 20, blockSize: 8, parallelismMax: 4 } as const;

/** Parameters outside {@link passphraseLimits}: the file that holds them is damaged or hostile. */
export class PassphraseParametersError extends Condition {
  override readonly name = 'PassphraseParametersError';
  constructor() {
    super('passphrase-parameters', 'the passphrase parameters are outside what is accepted');
  }
}

/** New parameters with a random salt. `costLog2` defaults to 17: 128 MiB and about half a second. */
export function createPassphraseParameters(
  dependencies: { readonly random: Random },
  options: { readonly costLog2?: number } = {},
): PassphraseParameters {
  return {
    salt: dependencies.random.bytes(16),
    costLog2: options.costLog2 ?? 17,
    blockSize: passphraseLimits.blockSize,
    parallelism: 1,
  };
}

/**
 * A 32-byte key from a passphrase (scrypt, RFC 7914), off the event loop. The passphrase is taken in its NFKC form,
 * so that it does not matter on which keyboard it was typed.
 * @throws {PassphraseParametersError}
 */
export async function derivePassphraseKey(passphrase: string, parameters: PassphraseParameters): Promise<Uint8Array> {
  const { salt, costLog2, blockSize, parallelism } = parameters;
  const isAccepted =
    Number.isInteger(costLog2) &&
    costLog2 >= passphraseLimits.costLog2Min &&
    costLog2 <= passphraseLimits.costLog2Max &&
    blockSize === passphraseLimits.blockSize &&
    Number.isInteger(parallelism) &&
    parallelism >= 1 &&
    parallelism <= passphraseLimits.parallelismMax &&
    salt.length >= 8;
  if (!isAccepted) throw new PassphraseParametersError();
  return primitives.scrypt(passphrase.normalize('NFKC'), salt, { costLog2, blockSize, parallelism, length: 32 });
}
