import { createSeededRandom, createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { zeroAddress } from 'viem';
import {
  type ConsentDomain,
  domainOf,
  offerIdOf,
  purseOf,
  receiptDigestOf,
  revocationDigestOf,
} from '../contract/index.ts';
import type { Hex, Offer, SignedOffer } from '../offer/offer.ts';
import { startAnvil, testKeyOf } from '../testing/anvil.ts';
import { type AccountSigner, createLocalSigner } from './accounts/local-signer.ts';
import { type ChainLedger, type ConnectChainOptions, connectChain } from './connect-chain.ts';
import { type DeployedContracts, deployContracts } from './deploy-contracts.ts';

/** A chain of a test's own. */
export interface TestChain extends AsyncDisposable {
  readonly kind: 'embedded' | 'rpc';
  readonly url: string;
  readonly chainId: number;
  ask(method: string, params?: readonly unknown[]): Promise<unknown>;
  enrich(account: Hex): Promise<void>;
}

export const testDependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};

const daySeconds = 86_400;

/** A chain with the contract on it, a buyer, a custodian and patients. */
export class ChainWorld implements AsyncDisposable {
  readonly chain: TestChain;
  readonly deployed: DeployedContracts;
  readonly domain: ConsentDomain;
  readonly buyer = createLocalSigner(testKeyOf('buyer'));
  readonly custodian = createLocalSigner(testKeyOf('custodian'));
  readonly #random = createSeededRandom(7);
  readonly #patients = new Map<string, AccountSigner>();
  readonly #ledgers: ChainLedger[] = [];

  private constructor(chain: TestChain, deployed: DeployedContracts) {
    this.chain = chain;
    this.deployed = deployed;
    this.domain = domainOf(deployed.chainId, deployed.contract);
  }

  static async start(chain?: TestChain): Promise<ChainWorld> {
    const own = chain ?? { ...(await anvilChain()) };
    const operator = createLocalSigner(testKeyOf('operator'));
    await own.enrich(operator.address);
    const deployed = await deployContracts(
      { urls: [own.url], chainId: own.chainId, signer: operator, confirmPollMs: 10 },
      testDependencies,
    );
    const world = new ChainWorld(own, deployed);
    await own.enrich(world.buyer.address);
    await own.enrich(world.custodian.address);
    return world;
  }

  async connect(
    options: Partial<ConnectChainOptions> = {},
    store: TableStore = createMemoryTables(),
  ): Promise<ChainLedger> {
    const ledger = await connectChain(
      {
        urls: [this.chain.url],
        chainId: this.chain.chainId,
        contract: this.deployed.contract,
        kind: this.chain.kind,
        finality: { kind: 'sealed' },
        signer: this.buyer,
        confirmPollMs: 10,
        eventPollMs: 10,
        ...options,
      },
      { ...testDependencies, store },
    );
    this.#ledgers.push(ledger);
    return ledger;
  }

  /** Signed by a patient of its own. */
  async offer(changes: Partial<Offer> = {}): Promise<SignedOffer> {
    const nonce: Hex = `0x${Buffer.from(this.#random.bytes(32)).toString('hex')}`;
    const patient = createLocalSigner(testKeyOf(`patient ${nonce}`));
    const signer = patient.address.toLowerCase() as Hex; // of a Hex
    const offer: Offer = {
      patient: signer,
      payee: purseOf(signer),
      buyer: this.buyer.address,
      custodian: this.custodian.address,
      arbiter: zeroAddress,
      token: zeroAddress,
      price: 1_000n,
      validUntil: Math.floor(testDependencies.clock.now() / 1_000) + 365 * daySeconds,
      deliverWithin: 2 * daySeconds,
      accessFor: 30 * daySeconds,
      terms: `0x${'7e'.repeat(32)}`,
      nonce,
      ...changes,
    };
    const grantId = offerIdOf(offer, this.domain);
    this.#patients.set(grantId, patient);
    return { offer, grantId, signature: await patient.signDigest(grantId) };
  }

  async receipt(grantId: Hex, delivery: Hex): Promise<Hex> {
    return this.buyer.signDigest(receiptDigestOf({ offer: grantId, delivery }, this.domain));
  }

  async revocation(grantId: Hex): Promise<Hex> {
    const patient = this.patientOf(grantId);
    return patient.signDigest(revocationDigestOf({ offer: grantId }, this.domain));
  }

  patientOf(grantId: Hex): AccountSigner {
    const patient = this.#patients.get(grantId);
    if (patient === undefined) throw new Error('no patient of this world signed it');
    return patient;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ledger of this.#ledgers) await ledger[Symbol.asyncDispose]();
    await this.chain[Symbol.asyncDispose]();
  }
}

export async function anvilChain(args: readonly string[] = []): Promise<TestChain> {
  const anvil = await startAnvil({ args });
  return {
    kind: 'rpc',
    url: anvil.url,
    chainId: anvil.chainId,
    ask: anvil.ask,
    enrich: anvil.enrich,
    [Symbol.asyncDispose]: () => anvil[Symbol.asyncDispose](),
  };
}

/** 32 bytes of one value. */
export function word(byte: number): Hex {
  return `0x${byte.toString(16).padStart(2, '0').repeat(32)}`;
}
