import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { formatPolicyFile } from '@pulsemesh/board/client';
import { createNoteVerifier, formatVerifierKey, parseVerifierKey } from '@pulsemesh/board/verify';
import { type Identity, loadOrCreateIdentity } from '@pulsemesh/identity';
import { createRpcClient, type RoleName, serveRpc } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { createMemoryRecords } from '@pulsemesh/store';
import { createRecordsClient, readingRecord } from '@pulsemesh/vitals/records';
import { notificationProtocol } from '@pulsemesh/vitals/roles/notification';
import { startStorageRole } from '@pulsemesh/vitals/roles/storage';
import { ed25519KeyOf } from '@pulsemesh/wire';
import type { PatientInput } from '../api/types.ts';
import { startBoardService } from '../board/board-service.ts';
import { ApiClient } from '../client/api-client.ts';
import { ConsentClient } from '../client/consent-client.ts';
import { boardServiceSchema } from '../config/board-settings.ts';
import { chainSchema } from '../config/consent-settings.ts';
import { type NodeConfigInput, parseNodeConfig } from '../config/node-config.ts';
import { readToken } from '../gateway/bearer-token.ts';
import { NodeContext, type StartedRole } from '../process/node-context.ts';
import { connectRelays } from '../relay/connect-relays.ts';
import { startRelayService } from '../relay/relay-service.ts';
import { startCustodianRole } from '../roles/custodian.ts';
import { startGateway } from '../roles/gateway.ts';
import { ledgerDescriptionFile, startChainService } from '../roles/ledger.ts';
import { startResearch } from '../roles/research.ts';
import { tokenFile } from '../roles/token-file.ts';
import { accessLogOrigin, ledgerAccountOf } from './ledger-account.ts';

const names = ['home', 'custodian-1', 'custodian-2', 'research', 'ledger'] as const;
type Name = (typeof names)[number];

const rolesOf: Readonly<Record<Exclude<Name, 'ledger'>, readonly RoleName[]>> = {
  home: ['gateway'],
  'custodian-1': ['storage', 'custodian'],
  'custodian-2': ['storage', 'custodian'],
  research: ['research'],
};

/** Where the page of the home would be. */
export const page = { origin: 'http://localhost:8080', rpId: 'localhost' } as const;

export interface ConsentWorldOptions {
  /** The built page; home and researcher serve it. Default: the API alone. */
  readonly webDirectory?: string;
  /** Where the home listens, so that its page's origin is known; default a free port, and the origin of {@link page}. */
  readonly homePort?: number;
  /** Who has what on the embedded chain, beside the researcher's own account. */
  readonly genesis?: readonly { readonly account: `0x${string}`; readonly units: string }[];
  /** What each node's own account may spend, fees among it; default 1,000 units. */
  readonly spending?: string;
  /** Starts another chain than the embedded one and writes its description. The accounts are those that need the chain's coin. */
  readonly startChain?: (descriptionFile: string, accounts: readonly `0x${string}`[]) => Promise<void>;
}

/**
 * A real relay, board and chain, and a home, two custodians and a researcher around them, each with its HTTP API where it has one. What goes
 * over libp2p is simulated. Disposing ends and removes all of it.
 */
export class ConsentWorld implements AsyncDisposable {
  readonly deps = {
    clock: createSystemClock({ unref: true }),
    random: createSystemRandom(),
    logger: silentLogger,
    meter: createPrometheusMeter(),
  };
  readonly stack = new AsyncDisposableStack();
  readonly root = mkdtempSync(join(tmpdir(), 'pulsemesh-consent-'));
  readonly network = createMemoryNetwork({ clock: this.deps.clock, random: this.deps.random });
  /** Notices that people were told, by kind. */
  readonly notices: string[] = [];
  readonly #nodes = new Map<Name, AsyncDisposableStack>();
  readonly #contexts = new Map<Name, NodeContext>();
  readonly #options: ConsentWorldOptions;
  #config: ((name: Exclude<Name, 'ledger'>) => NodeConfigInput) | undefined;

  constructor(options: ConsentWorldOptions = {}) {
    this.#options = options;
    this.stack.defer(() => rmSync(this.root, { recursive: true, force: true, maxRetries: 5 }));
  }

  place(name: string): string {
    return join(this.root, name);
  }

  identity(name: string): Promise<Identity> {
    const at = (file: string) => join(this.place(name), file);
    return loadOrCreateIdentity({ file: at('identity.json'), keyFile: at('identity.key') }, this.deps);
  }

  /** Starts everything. `ledger`: which one they follow. */
  async start(ledger: 'chain' | 'board' = 'chain'): Promise<void> {
    const { deps, stack } = this;
    const relayIdentity = await this.identity('relay');
    const relay = stack.use(
      await startRelayService({ host: '127.0.0.1', port: 0, dataDirectory: this.place('relay') }, relayIdentity, deps),
    );
    const settings = { ...boardServiceSchema.parse({ port: 0, open: true }), dataDirectory: this.place('board') };
    const board = stack.use(await startBoardService(settings, await this.identity('board'), deps));
    const policy = { board: parseVerifierKey(board.key), witnesses: [], quorum: 0 };
    const boardFile = join(this.root, 'board.json');
    writeFileSync(boardFile, formatPolicyFile({ url: board.url, policy, authorities: [] }));
    const identities = new Map(
      await Promise.all(names.map(async (name) => [name, await this.identity(name)] as const)),
    );
    const identityOf = (name: Name): Identity => {
      const identity = identities.get(name);
      if (identity === undefined) throw new TypeError('nobody of that name');
      return identity;
    };
    const researcher = await ledgerAccountOf(identityOf('research'));
    if (ledger === 'chain') await this.#startChain(identities, researcher);
    const arbiter = await ledgerAccountOf(identityOf('ledger'));
    const custodians = await Promise.all(
      (['custodian-1', 'custodian-2'] as const).map(async (name) => {
        const { peerId } = identityOf(name);
        const key = ed25519KeyOf(peerId) ?? new Uint8Array();
        const logKey = formatVerifierKey(createNoteVerifier(accessLogOrigin(peerId), key, 'ed25519'));
        return { peer: peerId as string, account: await ledgerAccountOf(identityOf(name)), logKey };
      }),
    );
    const { spending = '1000' } = this.#options;
    this.#config = (name) => ({
      name,
      roles: [...rolesOf[name]],
      dataDirectory: this.place(name),
      keyFile: join(this.place(name), 'identity.key'),
      relays: [{ url: relay.url, peerId: relayIdentity.peerId }],
      ...(name === 'home' || name === 'research' ? { http: this.#http(name) } : {}),
      consent: {
        organisation: `Office of ${name}`,
        boardFile,
        custodians,
        ledger:
          ledger === 'board'
            ? { kind: 'board' }
            : {
                kind: 'chain',
                descriptionFile: ledgerDescriptionFile(this.place('ledger')),
                spending: { perDay: spending, inTotal: spending },
              },
        ...(name === 'home'
          ? { home: { countMin: 2, arbiter, passkeys: { origins: [this.#origin], rpId: page.rpId } } }
          : {}),
        ...(name === 'research' ? { research: {} } : {}),
        ...(name === 'home' || name === 'research'
          ? {}
          : { custodian: { homes: [identityOf('home').peerId], anchorEverySeconds: 1 } }),
      },
    });
    const port = this.network.join({ roles: ['notification'] });
    stack.use(
      serveRpc(port, notificationProtocol, {
        notice: async (body) => {
          this.notices.push(String((body as { kind: unknown }).kind));
          return { accepted: 1 };
        },
      }),
    );
    for (const name of ['custodian-1', 'custodian-2', 'home', 'research'] as const) await this.startNode(name);
  }

  async startNode(name: Exclude<Name, 'ledger'>): Promise<void> {
    const config = parseNodeConfig(this.#config?.(name));
    const own = new AsyncDisposableStack();
    this.#nodes.set(name, own);
    const identity = await this.identity(name);
    const port = own.use(this.network.join({ id: identity.peerId, roles: config.roles }));
    const relays = own.use(await connectRelays(config, identity, this.deps));
    const secrets = { passphrase: null, smtpPassword: null };
    const status = () => {
      throw new TypeError('not asked in this test');
    };
    const context = own.use(new NodeContext(config, secrets, this.deps, identity, port, status, relays));
    this.#contexts.set(name, context);
    if (config.roles.includes('storage')) await this.#startStorage(context);
    const started = await startersOf[name](context);
    const http = started.ports?.['http'];
    if (http !== undefined) this.#ports.set(name, http);
  }

  /** Stops a node; its data stay for the next start. */
  async stopNode(name: Name): Promise<void> {
    await this.#nodes.get(name)?.disposeAsync();
    this.#nodes.delete(name);
  }

  readonly #ports = new Map<Name, number>();

  /** Address that opens the page of a node with its key. */
  entry(name: 'home' | 'research'): string {
    return `http://localhost:${this.#ports.get(name)}/#token=${readToken(tokenFile(this.place(name)))}`;
  }

  api(name: 'home' | 'research'): ApiClient {
    const token = readToken(tokenFile(this.place(name))) ?? '';
    return new ApiClient({ url: `http://127.0.0.1:${this.#ports.get(name)}`, token, timeoutMs: 30_000 });
  }

  consent(name: 'home' | 'research'): ConsentClient {
    return new ConsentClient(this.api(name));
  }

  /** Puts readings into storage, sealed with the patient's own keys, one each ten seconds. */
  async record(patient: PatientInput, fromMs: number, count: number): Promise<void> {
    const home = this.#contexts.get('home');
    const known = (await home?.directory())?.peek(patient.userId as never);
    if (home === undefined || known === undefined) throw new TypeError('no such patient');
    const records = createRecordsClient({}, { ...this.deps, port: home.port, rpc: home.rpc });
    const readings = Array.from({ length: count }, (_, index) => ({
      ...{ userId: known.userId, tMs: fromMs + index * 10_000, heartRateBpm: 60 + (index % 30), rrMs: [1000 - index] },
      ...{ seq: index, confidence: null, isStamped: false },
    }));
    await records.put(readings.map((reading) => readingRecord(known.keyTree, reading, this.deps.random)));
    records[Symbol.dispose]();
  }

  get #origin(): string {
    const { homePort } = this.#options;
    return homePort === undefined ? page.origin : `http://localhost:${homePort}`;
  }

  #http(name: 'home' | 'research') {
    const { webDirectory, homePort = 0 } = this.#options;
    return { port: name === 'home' ? homePort : 0, ...(webDirectory === undefined ? {} : { webDirectory }) };
  }

  async #startChain(identities: ReadonlyMap<Name, Identity>, researcher: `0x${string}`): Promise<void> {
    const { startChain, genesis = [] } = this.#options;
    const [dataDirectory, identity] = [this.place('ledger'), identities.get('ledger')];
    if (identity === undefined) throw new TypeError('a ledger has an identity');
    if (startChain !== undefined) {
      const accounts = await Promise.all([...identities.values()].map(ledgerAccountOf));
      return startChain(ledgerDescriptionFile(dataDirectory), accounts);
    }
    const settings = chainSchema.parse({
      port: 0,
      chainId: 4242,
      genesis: [{ account: researcher, units: '1000' }, ...genesis],
      decimals: 0,
    });
    this.stack.use(await startChainService(settings, { dataDirectory, identity }, this.deps));
  }

  readonly #records = new Map<string, ReturnType<typeof createMemoryRecords>>();

  async #startStorage({ config, deps, port, stack }: NodeContext): Promise<void> {
    const records = this.#records.get(config.name) ?? createMemoryRecords();
    this.#records.set(config.name, records);
    const rpc = stack.use(createRpcClient({ port, ...deps }));
    stack.use(await startStorageRole({}, { ...deps, port, rpc, records }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of ['research', 'home', 'custodian-1', 'custodian-2'] as const) await this.stopNode(name);
    await this.stack.disposeAsync();
  }
}

const startersOf: Readonly<Record<Exclude<Name, 'ledger'>, (context: NodeContext) => Promise<StartedRole>>> = {
  home: startGateway,
  'custodian-1': startCustodianRole,
  'custodian-2': startCustodianRole,
  research: startResearch,
};
