import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { keccak256, stringToBytes } from 'viem';
import type { Hex } from '../offer/offer.ts';

export interface AnvilOptions {
  /** Default 31337. */
  readonly chainId?: number;
  /** Further arguments of `anvil`. */
  readonly args?: readonly string[];
}

/** A development chain of its own process. */
export interface Anvil extends AsyncDisposable {
  readonly url: string;
  readonly chainId: number;
  /** One question, its result unparsed; rejects with the chain's words. */
  ask(method: string, params?: readonly unknown[]): Promise<unknown>;
  /** Gives an account 1,000 coins. */
  enrich(account: Hex): Promise<void>;
}

/** A private key of a name, for tests: the same each time. */
export function testKeyOf(name: string): Hex {
  return keccak256(stringToBytes(`pulsemesh test ${name}`));
}

/** Starts anvil (hardfork osaka) on a free port of the loopback interface: a block for each transaction. Disposing ends it. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { chainId = 31_337, args = [] } = options;
  const fixed = ['--host', '127.0.0.1', '--port', '0', '--hardfork', 'osaka', '--chain-id', String(chainId)];
  const child = spawn(anvilBinary(), [...fixed, '--accounts', '1', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  let url: string | null = null;
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const place = /^Listening on (\S+)/.exec(line)?.[1];
    if (place !== undefined) {
      url = `http://${place}`;
      break;
    }
  }
  lines.close();
  child.stdout.resume();
  if (url === null) throw new Error('anvil did not start');
  const ask = askOf(url);
  return {
    url,
    chainId,
    ask,
    async enrich(account) {
      await ask('anvil_setBalance', [account, `0x${(10n ** 21n).toString(16)}`]);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}

function askOf(url: string) {
  return async (method: string, params: readonly unknown[] = []): Promise<unknown> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { message: string } }; // a test's own chain
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  };
}

/** The program itself, not its wrapper: what is killed is then what runs. */
function anvilBinary(): string {
  const require = createRequire(import.meta.url);
  const wrapper = require.resolve('@foundry-rs/anvil/package.json');
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const binary = process.platform === 'win32' ? 'anvil.exe' : 'anvil';
  return createRequire(wrapper).resolve(`@foundry-rs/anvil-${process.platform}-${architecture}/bin/${binary}`);
}
