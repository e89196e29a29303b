import { lockDirectory } from '@pulsemesh/store';
import { Chain, type ChainDependencies } from './chain/chain.ts';
import type { ChainSettings } from './chain/open-chain.ts';
import { hex } from './rpc/answers.ts';
import { Dispatch, type RpcOutcome } from './rpc/dispatch.ts';
import { type RpcServer, startRpcServer } from './rpc/http-server.ts';

/** What a chain is run with; all checked. Seeds and balances are copied where it runs in a thread. */
export interface RunSettings extends ChainSettings {
  readonly host: string;
  /** 0: any free one; null: no HTTP. */
  readonly port: number | null;
}

/** What an embedded chain says of itself once it runs. */
export interface ChainFacts {
  /** Of its JSON-RPC server; null without one. */
  readonly url: string | null;
  /** Ed25519 public key, lower-case hex. */
  readonly sealer: string;
  /** With 0x. */
  readonly genesisHash: string;
  /** Of the head when it was opened. */
  readonly head: number;
}

/** A chain and its JSON-RPC in this thread, the directory held for it alone. */
export class RunningChain implements AsyncDisposable {
  readonly chain: Chain;
  readonly facts: ChainFacts;
  readonly #dispatch: Dispatch;
  readonly #server: RpcServer | null;
  readonly #lock: Disposable;

  private constructor(chain: Chain, dispatch: Dispatch, server: RpcServer | null, lock: Disposable) {
    this.chain = chain;
    this.#dispatch = dispatch;
    this.#server = server;
    this.#lock = lock;
    this.facts = {
      url: server?.url ?? null,
      sealer: hex(chain.spec.sealer).slice(2),
      genesisHash: hex(chain.database.blockByNumber(0)?.hash ?? new Uint8Array(0)),
      head: chain.head.number,
    };
  }

  /** @throws {StoreInUseError}; what opening the chain throws; {ChainAddressError}. */
  static async start(settings: RunSettings, dependencies: ChainDependencies): Promise<RunningChain> {
    await using parts = new AsyncDisposableStack();
    const lock = parts.use(lockDirectory(settings.directory));
    const chain = parts.use(await Chain.open(settings, dependencies));
    const dispatch = new Dispatch(chain, dependencies.logger);
    const { host, port } = settings;
    const server = port === null ? null : await startRpcServer(dispatch, host, port);
    parts.move(); // from here on this object takes them down
    return new RunningChain(chain, dispatch, server, lock);
  }

  call(method: string, params: unknown): Promise<RpcOutcome> {
    return this.#dispatch.call(method, params);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }
  #closing: Promise<void> | undefined;

  async #close(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    await this.chain[Symbol.asyncDispose]();
    this.#lock[Symbol.dispose]();
  }
}
