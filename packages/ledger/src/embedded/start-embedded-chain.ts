import { assert, type Clock, type Logger, type Meter } from '@pulsemesh/base';
import type { Hex } from '../offer/offer.ts';
import { createInstruments } from './chain/instruments.ts';
import type { Json } from './rpc/answers.ts';
import type { RpcOutcome } from './rpc/dispatch.ts';
import { type ChainFacts, RunningChain, type RunSettings } from './running-chain.ts';
import { fromHex } from './state/hex.ts';
import { ChainThread } from './thread/chain-thread.ts';

/** What a chain begins with. Fixed at the first start; afterwards the same must be given again. */
export interface EmbeddedGenesis {
  /** The operator's account: who hands out the coin, which is an accounting unit and nothing else. */
  readonly treasury: Hex;
  /** Who holds what at first, in the smallest unit. Default: the treasury 10^27 (a thousand million whole coins). */
  readonly balances?: Readonly<Record<Hex, bigint>>;
}

export interface EmbeddedChainOptions {
  /** Made if need be, for its owner alone; one process at a time. */
  readonly directory: string;
  /** 1 … 2^53; choose one that no other network has. */
  readonly chainId: number;
  /** Private: the Ed25519 seed (32 bytes) that blocks are sealed with. Fixed for the chain's life. */
  readonly sealer: { readonly seed: Uint8Array };
  readonly genesis: EmbeddedGenesis;
  /** Where JSON-RPC listens; default 127.0.0.1. Anything else lets others send and read. */
  readonly host?: string;
  /** Default 0: any free one. Null: no HTTP; `request` is the only way in. */
  readonly port?: number | null;
  /** An empty block after so long without one, so that the chain's time goes on, milliseconds; default a minute. */
  readonly heartbeatMs?: number;
  /** Kept free on the disk, bytes; default 64 MiB. */
  readonly reserveBytes?: number;
  /** Most the database may take, bytes; default no limit. */
  readonly bytesMax?: number;
}

export interface EmbeddedChainDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** A chain that runs. Whoever started it disposes of it; what was acknowledged is on the disk either way. */
export interface EmbeddedChain extends ChainFacts, AsyncDisposable {
  readonly chainId: number;
  /**
   * A JSON-RPC call without HTTP, as EIP-1193 has it: `createPublicClient({ transport: custom(chain) })`.
   * @throws {EmbeddedRpcError} with JSON-RPC's `code` and `data`; {ChainClosedError}.
   */
  request(call: { readonly method: string; readonly params?: unknown }): Promise<Json>;
  /** Resolves when it has ended, asked to or because its database broke. */
  readonly ended: Promise<void>;
}

/** What JSON-RPC refuses a call with; `code` is its number, as clients such as viem look for it. */
export class EmbeddedRpcError extends Error {
  override readonly name = 'EmbeddedRpcError';
  readonly code: number;
  readonly data: Json | undefined;
  constructor(code: number, message: string, data: Json | undefined) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/**
 * Starts a chain with one sealer in a thread of its own, so that nothing else waits for it; its time is the system's.
 * @throws {StoreInUseError} when another process has the directory; {OtherChainError} when it holds another chain;
 * {ChainDamagedError}; {StoreSchemaError}; {StoreFullError}; {StoreFailedError}; {ChainAddressError}.
 */
export async function startEmbeddedChain(
  options: EmbeddedChainOptions,
  { clock, logger, meter }: EmbeddedChainDependencies,
): Promise<EmbeddedChain> {
  const instruments = createInstruments(meter);
  const [thread, facts] = await ChainThread.start(settingsOf(options), { clock, logger, instruments });
  return {
    ...facts,
    chainId: options.chainId,
    ended: thread.ended,
    request: async ({ method, params }) => resultOf(await thread.call(method, params)),
    [Symbol.asyncDispose]: () => thread[Symbol.asyncDispose](),
  };
}

/**
 * The same chain in this thread, by the given clock: for tests and simulations that decide what time it is.
 * @throws as {@link startEmbeddedChain}.
 */
export async function startEmbeddedChainHere(
  options: EmbeddedChainOptions,
  { clock, logger, meter }: EmbeddedChainDependencies,
): Promise<EmbeddedChain & { /** Seals an empty block at the clock's time. */ sealNow(): Promise<void> }> {
  const running = await RunningChain.start(settingsOf(options), {
    clock,
    logger,
    instruments: createInstruments(meter),
  });
  const ended = Promise.withResolvers<void>();
  const close = async () => {
    await running[Symbol.asyncDispose]();
    ended.resolve();
  };
  void running.chain.failed.then(close);
  return {
    ...running.facts,
    chainId: options.chainId,
    ended: ended.promise,
    request: async ({ method, params }) => resultOf(await running.call(method, params)),
    sealNow: () => running.chain.sealNow(),
    [Symbol.asyncDispose]: close,
  };
}

function resultOf(outcome: RpcOutcome): Json {
  if ('result' in outcome) return outcome.result;
  const { code, message, data } = outcome.error;
  throw new EmbeddedRpcError(code, message, data);
}

function settingsOf(options: EmbeddedChainOptions): RunSettings {
  const { genesis, chainId, sealer } = options;
  assert(Number.isSafeInteger(chainId) && chainId > 0, 'a chain id is 1 … 2^53');
  assert(sealer.seed.length === 32, 'a seed is 32 bytes');
  const balances = Object.entries(genesis.balances ?? { [genesis.treasury]: 10n ** 27n });
  const heartbeatMs = options.heartbeatMs ?? 60_000;
  assert(heartbeatMs >= 1_000, 'a heartbeat is a second or more');
  return {
    directory: options.directory,
    chainId,
    sealerSeed: sealer.seed,
    coinbase: fromHex(addressHex(genesis.treasury)),
    balances: new Map(balances.map(([address, amount]) => [addressHex(address), amount])),
    heartbeatMs,
    reserveBytes: options.reserveBytes ?? 64 * 1024 * 1024,
    bytesMax: options.bytesMax,
    host: options.host ?? '127.0.0.1',
    port: options.port === undefined ? 0 : options.port,
  };
}

function addressHex(address: string): string {
  assert(/^0x[0-9a-fA-F]{40}$/.test(address), 'an address is 0x and 40 hex digits');
  return address.slice(2).toLowerCase();
}
