import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { formatPolicyFile } from '@pulsemesh/board/client';
import { createNoteVerifier, formatVerifierKey } from '@pulsemesh/board/verify';
import { type Identity, loadOrCreateIdentity } from '@pulsemesh/identity';
import { ApiClient, ConsentClient, type NodeConfigInput } from '@pulsemesh/node';
import type { Hex } from '@pulsemesh/node/api';
import { ed25519KeyOf } from '@pulsemesh/wire';
import { originOf } from '../../packages/node/src/board/names.ts';
import { accessLogOrigin, ledgerAccountOf } from '../../packages/node/src/consent/ledger-account.ts';
import { choosePorts } from '../../packages/node/src/demo/ports.ts';
import { loadOrCreateToken } from '../../packages/node/src/gateway/bearer-token.ts';
import { Supervisor } from '../../packages/node/src/supervisor/supervisor.ts';

/** Every process, in the order of starting. */
export const processNames = ['hub', 'board', 'ledger', 'custodian-1', 'custodian-2', 'home', 'research'] as const;
export type ProcessName = (typeof processNames)[number];

/** Where the home's page would be. */
export const page = { origin: 'http://localhost:8080', rpId: 'localhost' } as const;

const nodeMain = fileURLToPath(new URL('../../packages/node/src/process/node-main.ts', import.meta.url));
const host = '127.0.0.1';
const deps = { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger };

/** A relay, a board, a chain, two custodians, a home and a researcher, each its own process that is started again when it dies. */
export class ConsentProcesses implements AsyncDisposable {
  readonly #root: string;
  readonly #supervisor: Supervisor;
  readonly #identities = new Map<ProcessName, Identity>();
  readonly #accounts = new Map<ProcessName, Hex>();
  #ports: Readonly<Record<string, number>> = {};

  constructor(root: string) {
    this.#root = root;
    this.#supervisor = new Supervisor({ readyMs: 240_000, restartMsMax: 500 }, { ...deps, onEvent: () => {} });
  }

  async start(): Promise<void> {
    const { ports } = await choosePorts([...processNames, 'relay', 'http', 'board/http', 'chain', 'research/http'], {});
    this.#ports = ports;
    for (const name of processNames) {
      mkdirSync(this.#at(name), { recursive: true });
      const identity = await loadOrCreateIdentity(this.#identityOptions(name), deps);
      this.#identities.set(name, identity);
      this.#accounts.set(name, await ledgerAccountOf(identity));
    }
    writeFileSync(join(this.#root, 'board.json'), this.#boardPolicy());
    for (const name of processNames) {
      writeFileSync(join(this.#root, `${name}.config.json`), JSON.stringify(this.#config(name)));
      await this.#supervisor.start({ name, module: nodeMain, args: [join(this.#root, `${name}.config.json`)] });
    }
  }

  /** Ends the process at once; it is started again by itself. False where it was not running. */
  kill(name: ProcessName): boolean {
    const pid = this.#supervisor.states().find((state) => state.name === name)?.pid ?? null;
    if (pid === null) return false;
    process.kill(pid, 'SIGKILL');
    return true;
  }

  api(name: 'home' | 'research'): ApiClient {
    const token = loadOrCreateToken(join(this.#at(name), 'token'), deps.random);
    const port = this.#ports[name === 'home' ? 'http' : 'research/http'];
    return new ApiClient({ url: `http://${host}:${port}`, token, timeoutMs: 60_000 });
  }

  consent(name: 'home' | 'research'): ConsentClient {
    return new ConsentClient(this.api(name));
  }

  peerOf(name: ProcessName): string {
    return this.#identity(name).peerId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor.stopAll([
      ['research', 'home'],
      ['custodian-1', 'custodian-2'],
      ['ledger', 'board', 'hub'],
    ]);
  }

  #at(name: string): string {
    return join(this.#root, name);
  }

  #identityOptions(name: ProcessName) {
    return { file: join(this.#at(name), 'identity.json'), keyFile: join(this.#at(name), 'identity.key') };
  }

  #identity(name: ProcessName): Identity {
    const identity = this.#identities.get(name);
    if (identity === undefined) throw new TypeError(`${name} has no identity yet`);
    return identity;
  }

  #account(name: ProcessName): Hex {
    return this.#accounts.get(name) ?? '0x';
  }

  #noteKey(name: ProcessName, origin: string): ReturnType<typeof createNoteVerifier> {
    const key = ed25519KeyOf(this.#identity(name).peerId) ?? new Uint8Array();
    return createNoteVerifier(origin, key, 'ed25519');
  }

  #boardPolicy(): string {
    const { peerId } = this.#identity('board');
    const policy = { board: this.#noteKey('board', originOf(peerId, undefined)), witnesses: [], quorum: 0 };
    return formatPolicyFile({ url: `http://${host}:${this.#ports['board/http']}/board`, policy, authorities: [] });
  }

  #config(name: ProcessName): NodeConfigInput {
    const ports = this.#ports;
    const common = {
      name,
      listen: [`/ip4/${host}/tcp/${ports[name]}`],
      bootstrap: name === 'hub' ? [] : [`/ip4/${host}/tcp/${ports['hub']}/p2p/${this.peerOf('hub')}`],
      relays: name === 'hub' ? [] : [{ url: `http://${host}:${ports['relay']}`, peerId: this.peerOf('hub') }],
      dataDirectory: this.#at(name),
      keyFile: join(this.#at(name), 'identity.key'),
      trust: (['custodian-1', 'custodian-2', 'home'] as const).map((one) => this.peerOf(one)),
      log: { level: 'info', file: join(this.#root, `${name}.log`) } as const,
    };
    switch (name) {
      case 'hub':
        return { ...common, roles: ['bootstrap', 'relay'], relay: { host, port: ports['relay'] ?? 0 } };
      case 'board':
        return { ...common, roles: ['board'], board: { host, port: ports['board/http'] ?? 0, open: true } };
      case 'ledger': {
        const genesis = [{ account: this.#account('research'), units: '1000' }];
        return {
          ...common,
          roles: ['ledger'],
          chain: { port: ports['chain'] ?? 0, chainId: 4_243, genesis, decimals: 0 },
        };
      }
      case 'custodian-1':
      case 'custodian-2': {
        const custodian = { homes: [this.peerOf('home')], anchorEverySeconds: 2 };
        return { ...common, roles: ['storage', 'custodian'], consent: { ...this.#consent(name), custodian } };
      }
      case 'home': {
        const home = {
          countMin: 2,
          arbiter: this.#account('ledger'),
          passkeys: { origins: [page.origin], rpId: page.rpId },
        };
        const http = { port: ports['http'] ?? 0 };
        return { ...common, roles: ['gateway'], http, consent: { ...this.#consent(name), home } };
      }
      case 'research': {
        const http = { port: ports['research/http'] ?? 0 };
        return { ...common, roles: ['research'], http, consent: { ...this.#consent(name), research: {} } };
      }
    }
  }

  #consent(name: ProcessName) {
    return {
      organisation: `Office of ${name}`,
      boardFile: join(this.#root, 'board.json'),
      ledger: {
        kind: 'chain',
        descriptionFile: join(this.#at('ledger'), 'ledger.json'),
        spending: { perDay: '1000', inTotal: '1000' },
      } as const,
      custodians: (['custodian-1', 'custodian-2'] as const).map((custodian) => ({
        peer: this.peerOf(custodian),
        account: this.#account(custodian),
        logKey: formatVerifierKey(this.#noteKey(custodian, accessLogOrigin(this.#identity(custodian).peerId))),
      })),
    };
  }
}
