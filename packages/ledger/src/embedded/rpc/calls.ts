import { decodeErrorResult } from 'viem';
import type { Chain } from '../chain/chain.ts';
import { RpcRefusal, rpcCodes } from '../errors.ts';
import type { CallOutcome } from '../execution/executor.ts';
import { embeddedLimits } from '../limits.ts';
import { hex, type Json, quantity } from './answers.ts';
import type { CallRequest } from './params.ts';

/** A transaction's cap by itself (EIP-7825). */
const transactionGasMax = 2n ** 24n;
const baseGas = 21_000n;
const stipend = 2_300n;

/** `eth_call`. @throws {RpcRefusal} code 3 with the data of a revert. */
export async function callContract(chain: Chain, call: CallRequest, where: 'head' | 'next'): Promise<Json> {
  const outcome = await chain.call({ ...call, gas: least(call.gas ?? transactionGasMax, transactionGasMax) }, where);
  if (outcome.fault !== null) throw faultOf(outcome);
  return hex(outcome.returned);
}

/**
 * `eth_estimateGas`: a limit that is enough, found in two executions. Gas costs nothing here, so a little more than needed is given instead of
 * searching for the least: what the execution used, what a call may hold back (1/64), the stipend of a transfer.
 */
export async function estimateGas(chain: Chain, call: CallRequest, where: 'head' | 'next'): Promise<Json> {
  const intrinsic = intrinsicGas(call);
  const most = least(call.gas ?? transactionGasMax, transactionGasMax);
  const outcome = await chain.call({ ...call, gas: most > intrinsic.needed ? most - intrinsic.needed : 0n }, where);
  if (outcome.fault !== null) throw faultOf(outcome);
  const isTransfer = outcome.gasUsed === 0n;
  const margin = isTransfer ? 0n : outcome.gasUsed / 16n + stipend;
  const guess = greatest(intrinsic.needed + outcome.gasUsed + margin, intrinsic.floor);
  if (guess >= most) return quantity(most);
  const again = isTransfer ? outcome : await chain.call({ ...call, gas: guess - intrinsic.needed }, where);
  return quantity(again.fault === null ? guess : most);
}

/** What a transaction costs before it runs: EIP-2028, 3860, 7623. */
function intrinsicGas({ to, data }: CallRequest): { needed: bigint; floor: bigint } {
  let zeros = 0;
  for (const byte of data) if (byte === 0) zeros += 1;
  const tokens = BigInt(zeros + (data.length - zeros) * 4);
  const creation = to === null ? 32_000n + 2n * BigInt(Math.ceil(data.length / 32)) : 0n;
  return { needed: baseGas + tokens * 4n + creation, floor: baseGas + tokens * 10n };
}

/** What a call failed with, as all clients know it. */
function faultOf({ fault, returned }: CallOutcome): RpcRefusal {
  if (fault === 'insufficient balance') return new RpcRefusal(rpcCodes.input, 'insufficient funds for transfer'); // geth's words, which clients look for
  if (fault !== 'revert') return new RpcRefusal(rpcCodes.input, `execution failed: ${fault}`);
  const data = hex(returned.subarray(0, embeddedLimits.revertBytesMax));
  const reason = reasonOf(data);
  return new RpcRefusal(rpcCodes.revert, `execution reverted${reason === null ? '' : `: ${reason}`}`, { data });
}

/** The text of `Error(string)` or the number of `Panic(uint256)`; other errors are for who has the ABI. */
function reasonOf(data: string): string | null {
  if (!data.startsWith('0x08c379a0') && !data.startsWith('0x4e487b71')) return null;
  try {
    const { errorName, args } = decodeErrorResult({ data: data as `0x${string}` }); // made of bytes
    const [first] = args ?? [];
    return errorName === 'Error' ? String(first).slice(0, 256) : `panic ${String(first)}`;
  } catch {
    return null;
  }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function greatest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
