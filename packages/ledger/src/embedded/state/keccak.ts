import { keccak256 as keccakOfViem } from 'viem';

/** Keccak-256, 32 bytes: the EVM's hash. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccakOfViem(bytes, 'bytes');
}
