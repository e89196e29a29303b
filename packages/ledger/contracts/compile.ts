import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Abi } from 'viem';

const contractsFolder = fileURLToPath(new URL('.', import.meta.url));
const librariesFolder = join(contractsFolder, '../../../node_modules');

/** Settings as in foundry.toml: what is tested is what is shipped. */
const settings = {
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  evmVersion: 'osaka',
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: {
    '*': {
      '*': [
        'abi',
        'evm.bytecode.object',
        'evm.deployedBytecode.object',
        'evm.deployedBytecode.immutableReferences',
        'storageLayout',
      ],
    },
  },
};

/** The part of solc-js that is used here; it brings no types of its own. */
interface Solc {
  compile(input: string, callbacks: { import: (name: string) => { contents: string } | { error: string } }): string;
}

interface CompilerOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts: Readonly<Record<string, Readonly<Record<string, CompilerContract>>>>;
}

interface CompilerContract {
  readonly abi: Abi;
  readonly storageLayout: { readonly storage: readonly { readonly label: string; readonly slot: string }[] };
  readonly evm: {
    readonly bytecode: { readonly object: string };
    readonly deployedBytecode: {
      readonly object: string;
      readonly immutableReferences: Readonly<Record<string, readonly { start: number; length: number }[]>>;
    };
  };
}

/** A contract as the compiler made it. */
export interface CompiledContract {
  readonly abi: Abi;
  readonly creationCode: `0x${string}`;
  /** With zeros where the constructor writes its immutable values. */
  readonly runtimeCode: `0x${string}`;
  /** Byte offsets of those values in the runtime code, 32 bytes each, ascending. */
  readonly immutableOffsets: readonly number[];
  /** Names of the storage slots, in order. */
  readonly storage: readonly string[];
}

/**
 * Compiles Solidity files with solc-js, without a network. The same sources give the same bytes everywhere.
 *
 * @param files paths below `packages/ledger/contracts`.
 * @throws {Error} with the compiler's messages.
 */
export function compileContracts(files: readonly string[]): ReadonlyMap<string, CompiledContract> {
  // The package is CommonJS without types; `Solc` says what is used of it.
  const solc = createRequire(import.meta.url)('solc') as Solc;
  const sources = Object.fromEntries(files.map((file) => [file, { content: readContract(file) }]));
  const output = JSON.parse(
    solc.compile(JSON.stringify({ language: 'Solidity', sources, settings }), { import: findLibrary }),
  ) as CompilerOutput; // The compiler's own format.
  const faults = (output.errors ?? []).filter((error) => error.severity === 'error');
  if (faults.length > 0) throw new Error(faults.map((fault) => fault.formattedMessage).join('\n'));
  const compiled = new Map<string, CompiledContract>();
  for (const contracts of Object.values(output.contracts)) {
    for (const [name, contract] of Object.entries(contracts)) compiled.set(name, toCompiled(contract));
  }
  return compiled;
}

function readContract(file: string): string {
  return readFileSync(join(contractsFolder, file), 'utf8');
}

function findLibrary(name: string): { contents: string } | { error: string } {
  if (!name.startsWith('@')) return { error: `${name}: only libraries are looked up` };
  return { contents: readFileSync(join(librariesFolder, name), 'utf8') };
}

function toCompiled(contract: CompilerContract): CompiledContract {
  const { bytecode, deployedBytecode } = contract.evm;
  return {
    abi: contract.abi,
    creationCode: `0x${bytecode.object}`,
    runtimeCode: `0x${deployedBytecode.object}`,
    immutableOffsets: Object.values(deployedBytecode.immutableReferences)
      .flatMap((places) => places.map((place) => place.start))
      .sort((a, b) => a - b),
    storage: contract.storageLayout.storage.map((slot) => slot.label),
  };
}
