import { isIPv4 } from 'node:net';
import { errorMessage } from '@pulsemesh/base';
import type { QuickJSContext, QuickJSHandle } from 'quickjs-emscripten';
import { ProxyConfigError } from './errors.ts';

/** Limits of one run of a PAC file. */
export const pacRunLimits = {
  /** Turns of the engine's interrupt handler, some ten thousand steps each. A step count, so that a slow machine answers the same. */
  turnsMax: 40,
  memoryBytesMax: 16 * 2 ** 20,
  stackBytesMax: 256 * 1024,
  answerCharactersMax: 4096,
  /** Unknown names asked for in one run. */
  missingMax: 32,
} as const;

export interface PacQuestion {
  readonly url: string;
  readonly host: string;
  /** Names resolved so far; null: has no address. */
  readonly addresses: ReadonlyMap<string, string | null>;
  readonly ownAddress: string;
}

export interface PacAnswer {
  readonly answer: string;
  /** Names that were asked for and are not in `addresses`: the answer is not to be trusted then. */
  readonly missing: readonly string[];
}

/**
 * Runs a PAC file in an engine of its own: no file, no network, no clock but the time of day, no memory between runs.
 * @throws {ProxyConfigError} when it fails, takes too many steps or too much memory, or answers no text.
 */
export async function evaluatePac(text: string, question: PacQuestion): Promise<PacAnswer> {
  // Loaded when a PAC file is used, which few installations do: it is most of the package's weight.
  const [{ getQuickJS }, { sandbox }] = await Promise.all([import('quickjs-emscripten'), import('pac-resolver')]);
  using runtime = (await getQuickJS()).newRuntime();
  runtime.setMemoryLimit(pacRunLimits.memoryBytesMax);
  runtime.setMaxStackSize(pacRunLimits.stackBytesMax);
  let turns = 0;
  runtime.setInterruptHandler(() => {
    turns += 1;
    return turns > pacRunLimits.turnsMax;
  });
  using vm = runtime.newContext();
  const missing = new Set<string>();
  defineFunctions(vm, { ...sandbox, ...networkFunctions(question, missing) });
  try {
    vm.unwrapResult(vm.evalCode(text, 'proxy.pac')).dispose();
    using find = vm.getProp(vm.global, 'FindProxyForURL');
    using url = vm.newString(question.url);
    using host = vm.newString(question.host);
    using answer = vm.unwrapResult(vm.callFunction(find, vm.undefined, url, host));
    const given: unknown = vm.dump(answer);
    if (typeof given !== 'string' && given !== null && given !== undefined) throw new Error('its answer is no text');
    return { answer: (given ?? '').slice(0, pacRunLimits.answerCharactersMax), missing: [...missing] };
  } catch (cause) {
    // A name that was not there yet may be what it stumbled over: it is asked again once the name is.
    if (missing.size > 0) return { answer: '', missing: [...missing] };
    throw new ProxyConfigError(`the PAC file cannot be run: ${errorMessage(cause).slice(0, 200)}`);
  }
}

type PacFunction = (...args: readonly unknown[]) => unknown;

function networkFunctions(question: PacQuestion, missing: Set<string>): Record<string, PacFunction> {
  const addressOf = (given: unknown): string | null => {
    const name = String(given).toLowerCase();
    if (isIPv4(name)) return name;
    const known = question.addresses.get(name);
    if (known === undefined) {
      if (missing.size >= pacRunLimits.missingMax) throw new Error('too many names');
      missing.add(name);
    }
    return known ?? null;
  };
  return {
    alert: () => undefined,
    myIpAddress: () => question.ownAddress,
    dnsResolve: addressOf,
    isResolvable: (name) => addressOf(name) !== null,
    isInNet: (name, network, mask) => isInNet(addressOf(name), String(network), String(mask)),
  };
}

function isInNet(address: string | null, network: string, mask: string): boolean {
  if (address === null || !isIPv4(network) || !isIPv4(mask)) return false;
  const bits = bitsOf(mask);
  return (bitsOf(address) & bits) === (bitsOf(network) & bits);
}

function bitsOf(address: string): number {
  return address.split('.').reduce((bits, part) => (bits << 8) | Number(part), 0);
}

function defineFunctions(vm: QuickJSContext, functions: Readonly<Record<string, unknown>>): void {
  for (const [name, action] of Object.entries(functions)) {
    if (typeof action !== 'function') continue;
    using handle = vm.newFunction(name, (...args) => toHandle(vm, action(...args.map((arg) => vm.dump(arg)))));
    vm.setProp(vm.global, name, handle);
  }
}

function toHandle(vm: QuickJSContext, value: unknown): QuickJSHandle {
  switch (typeof value) {
    case 'string':
      return vm.newString(value);
    case 'number':
      return vm.newNumber(value);
    case 'boolean':
      return value ? vm.true : vm.false;
    default:
      return value === null ? vm.null : vm.undefined;
  }
}
