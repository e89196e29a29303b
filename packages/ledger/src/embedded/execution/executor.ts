import type { Block } from '@ethereumjs/block';
import type { Common } from '@ethereumjs/common';
import { createEVM, type EVM } from '@ethereumjs/evm';
import type { TypedTransaction } from '@ethereumjs/tx';
import { Address, bytesToHex } from '@ethereumjs/util';
import { createVM, type RunTxResult, runTx, type VM } from '@ethereumjs/vm';
import type { FlatState } from '../state/flat-state.ts';

/** Hashes of earlier blocks, for the BLOCKHASH operation. */
export interface BlockHashes {
  /** Null where there is none. */
  hashOf(number: number): Uint8Array | null;
}

/** What a call came to. */
export interface CallOutcome {
  /** Null: it went through. */
  readonly fault: string | null;
  readonly returned: Uint8Array;
  /** Of the execution alone, without what a transaction costs by itself. */
  readonly gasUsed: bigint;
  readonly gasRefund: bigint;
}

/** What is asked of {@link Executor.call}. Addresses are 20 bytes; `to` null makes a contract. */
export interface CallInput {
  readonly from: Uint8Array;
  readonly to: Uint8Array | null;
  readonly data: Uint8Array;
  readonly value: bigint;
  readonly gas: bigint;
}

/** The EVM over a flat state. One thing at a time: who uses it waits for the answer before the next. */
export class Executor {
  readonly state: FlatState;
  readonly #vm: VM;

  private constructor(vm: VM, state: FlatState) {
    this.#vm = vm;
    this.state = state;
  }

  static async create(rules: Common, state: FlatState, hashes: BlockHashes): Promise<Executor> {
    const blockchain = {
      getBlock: async (number: number) => ({ hash: () => hashes.hashOf(number) ?? new Uint8Array(32) }),
      putBlock: async () => {},
      shallowCopy() {
        return this;
      },
    };
    // The library's interface of a chain is wider than what an execution uses of it, which is the hash of a block.
    const options = { common: rules, stateManager: state, blockchain } as unknown as Parameters<typeof createEVM>[0];
    const evm = (await createEVM(options)) as EVM;
    const vm = await createVM({ common: rules, stateManager: state, evm });
    return new Executor(vm, state);
  }

  /** Executes a transaction on the state. @throws where it may not stand in a block at all (nonce, funds, gas limit); then nothing changed. */
  run(tx: TypedTransaction, block: Block, blockGasUsed: bigint): Promise<RunTxResult> {
    return runTx(this.#vm, { tx, block, blockGasUsed, skipHardForkValidation: true });
  }

  /** Executes a call and forgets what it changed. */
  async call(input: CallInput, block: Block): Promise<CallOutcome> {
    const { state } = this;
    state.clear();
    this.#vm.evm.journal.cleanJournal();
    try {
      this.#warm(input, block);
      const { execResult } = await this.#vm.evm.runCall({
        block,
        caller: new Address(input.from),
        origin: new Address(input.from),
        ...(input.to === null ? {} : { to: new Address(input.to) }),
        data: input.data,
        value: input.value,
        gasLimit: input.gas,
        gasPrice: 0n,
      });
      return {
        fault: execResult.exceptionError?.error ?? null,
        returned: execResult.returnValue,
        gasUsed: execResult.executionGasUsed,
        gasRefund: execResult.gasRefund ?? 0n,
      };
    } finally {
      state.clear();
      this.#vm.evm.journal.cleanJournal();
    }
  }

  /** What a transaction finds warm when it starts (EIP-2929, EIP-3651), so that a call costs what the transaction will. */
  #warm({ from, to }: CallInput, block: Block): void {
    const { journal } = this.#vm.evm;
    for (const address of this.#vm.evm.precompiles.keys()) journal.addAlwaysWarmAddress(address);
    for (const address of [from, to, block.header.coinbase.bytes]) {
      if (address !== null) journal.addAlwaysWarmAddress(bytesToHex(address));
    }
  }
}
