// What each step costs, by the receipts of a real node: with the 21,000 of every transaction and its data.
import {
  type Abi,
  type Account,
  concat,
  createPublicClient,
  createWalletClient,
  http,
  keccak256,
  slice,
  stringToBytes,
  toHex,
  zeroAddress,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { foundry } from 'viem/chains';
import { consentLedgerAbi } from '../src/contract/consent-ledger.ts';
import { codeHashOf, deployments } from '../src/contract/deploy.ts';
import { type ConsentDomain, consentTypes, domainOf, offerIdOf, purseOf } from '../src/contract/typed-data.ts';
import type { Hex, Offer } from '../src/offer/offer.ts';
import { compileContracts } from './compile.ts';
import { assertPasskey, p256KeyOf, signP256 } from './p256.ts';

/** Step and what its receipt says, in units of gas. */
export type GasTable = Readonly<Record<string, number>>;

const farFuture = 4_000_000_000;
const compensation = 1_000_000_000_000_000n;
const day = 86_400;

interface Chain {
  readonly clients: ReturnType<typeof clientsOf>;
  readonly accounts: readonly Account[];
  readonly table: Record<string, number>;
}

function clientsOf(url: string) {
  const transport = http(url, { retryCount: 0, timeout: 60_000 });
  return {
    reader: createPublicClient({ chain: foundry, transport, pollingInterval: 10 }),
    wallet: createWalletClient({ chain: foundry, transport }),
  };
}

/** The same keys each time: addresses and signatures, and so the zero bytes in the data, stay what they are. */
function accountOf(name: string): Account {
  return privateKeyToAccount(keccak256(stringToBytes(`gas ${name}`)));
}

/**
 * Deploys everything on a development chain (anvil, Osaka, a block for each transaction) and takes every step once.
 *
 * @param url of a chain whose first accounts are unlocked and rich.
 */
export async function measureGas(url: string): Promise<GasTable> {
  const clients = clientsOf(url);
  const rich = await clients.wallet.getAddresses();
  const accounts = ['buyer', 'custodian', 'arbiter', 'anybody'].map(accountOf);
  const chain: Chain = { clients, accounts, table: {} };
  const [bank] = rich;
  if (bank === undefined) throw new Error('the chain has no unlocked account');
  for (const account of accounts) {
    const hash = await clients.wallet.sendTransaction({ account: bank, to: account.address, value: 10n ** 20n });
    await clients.reader.waitForTransactionReceipt({ hash });
  }
  const [ledger, p256, webAuthn] = await deployAll(chain);
  const steps = new LedgerSteps(chain, ledger);
  await measureSigners(steps, p256, webAuthn);
  await measureConfirms(steps);
  await measureDisputes(steps);
  await measureEnds(steps);
  await measureWithdrawals(steps);
  await measureBatches(steps);
  await measureLogs(steps);
  await measureEscrow(chain);
  return chain.table;
}

async function deployAll(chain: Chain): Promise<readonly [Hex, Hex, Hex]> {
  const addresses: Hex[] = [];
  for (const { name, data, codeHash, gas } of deployments) {
    const address = await deploy(chain, `deploy ${name}`, data, gas);
    const code = (await chain.clients.reader.getCode({ address })) ?? '0x';
    if (codeHashOf(name, code) !== codeHash) throw new Error(`${name}: other code than was compiled`);
    addresses.push(address);
  }
  const [ledger, p256, webAuthn] = addresses;
  if (ledger === undefined || p256 === undefined || webAuthn === undefined) throw new Error('three are deployed');
  return [ledger, p256, webAuthn];
}

async function deploy(chain: Chain, step: string, data: Hex, gas: bigint): Promise<Hex> {
  const account = accountOf('anybody');
  const hash = await chain.clients.wallet.sendTransaction({ account, data, gas });
  const receipt = await chain.clients.reader.waitForTransactionReceipt({ hash });
  if (!receipt.contractAddress) throw new Error(`${step}: nothing was deployed`);
  chain.table[step] = Number(receipt.gasUsed);
  return receipt.contractAddress;
}

/** What can be done with one ledger; each call is one transaction, its gas kept under the step's name (the first of a name counts). */
class LedgerSteps {
  readonly domain: ConsentDomain;
  readonly buyer = accountOf('buyer');
  readonly custodian = accountOf('custodian');
  readonly arbiter = accountOf('arbiter');
  readonly anybody = accountOf('anybody');
  private offersMade = 0;
  private readonly chain: Chain;
  private readonly ledger: Hex;

  constructor(chain: Chain, ledger: Hex) {
    this.chain = chain;
    this.ledger = ledger;
    this.domain = domainOf(foundry.id, ledger);
  }

  /** A patient never seen before, with its purse. */
  offer(changes: Partial<Offer> = {}): Offer {
    this.offersMade += 1;
    const patient = changes.patient ?? this.patient(this.offersMade).address;
    return {
      patient,
      payee: purseOf(patient),
      buyer: this.buyer.address,
      custodian: this.custodian.address,
      arbiter: this.arbiter.address,
      token: zeroAddress,
      price: compensation,
      validUntil: farFuture,
      deliverWithin: day,
      accessFor: 90 * day,
      terms: keccak256(toHex(`terms ${this.offersMade}`)),
      nonce: keccak256(toHex(`nonce ${this.offersMade}`)),
      ...changes,
    };
  }

  patient(index: number): ReturnType<typeof privateKeyToAccount> {
    return privateKeyToAccount(keccak256(toHex(`patient ${index}`)));
  }

  idOf(offer: Offer): Hex {
    return offerIdOf(offer, this.domain);
  }

  /** The account's signature over an offer that `offer` made last. */
  sign(offer: Offer): Promise<Hex> {
    return this.signer(offer).signTypedData({
      domain: this.domain,
      types: consentTypes,
      primaryType: 'Offer',
      message: offer,
    });
  }

  signer(offer: Offer): ReturnType<typeof privateKeyToAccount> {
    for (let index = this.offersMade; index > 0; index -= 1) {
      const account = this.patient(index);
      if (account.address === offer.patient) return account;
    }
    throw new Error('no patient of this run');
  }

  receipt(offer: Offer): Promise<Hex> {
    return privateKeyToAccount(keccak256(stringToBytes('gas buyer'))).signTypedData({
      domain: this.domain,
      types: consentTypes,
      primaryType: 'Receipt',
      message: { offer: this.idOf(offer), delivery: keccak256(this.idOf(offer)) },
    });
  }

  async call(
    step: string,
    account: Account,
    functionName: string,
    args: readonly unknown[],
    value = 0n,
  ): Promise<void> {
    // The table of steps names functions as data, which the ABI's types cannot follow.
    const abi: Abi = consentLedgerAbi;
    const request = { account, address: this.ledger, abi, functionName, args, value, gas: 16_000_000n };
    const hash = await this.chain.clients.wallet.writeContract(request);
    const receipt = await this.chain.clients.reader.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`${step}: reverted`);
    this.chain.table[step] ??= Number(receipt.gasUsed);
  }

  async buy(offer: Offer, step = 'purchase account'): Promise<void> {
    await this.call(step, this.buyer, 'purchase', [offer, await this.sign(offer)], offer.price);
  }

  /** Seals a block that many seconds later. */
  async pass(seconds: number): Promise<void> {
    const { reader } = this.chain.clients;
    await reader.request({ method: 'evm_increaseTime' as never, params: [toHex(seconds)] as never });
    await reader.request({ method: 'evm_mine' as never, params: [] as never });
  }
}

async function measureSigners(steps: LedgerSteps, p256: Hex, webAuthn: Hex): Promise<void> {
  await steps.buy(steps.offer(), 'purchase account');
  await steps.buy(steps.offer({ price: 0n }), 'purchase account, price 0');
  const key = p256KeyOf('gas');
  const byCard = steps.offer({ patient: concat([p256, key.point]) });
  const cardSignature = signP256(key, steps.idOf(byCard));
  await steps.call('purchase P-256', steps.buyer, 'purchase', [byCard, cardSignature], byCard.price);
  const byPasskey = steps.offer({ patient: concat([webAuthn, key.point]) });
  const assertion = assertPasskey(key, steps.idOf(byPasskey));
  await steps.call('purchase passkey', steps.buyer, 'purchase', [byPasskey, assertion], byPasskey.price);
}

async function measureConfirms(steps: LedgerSteps): Promise<void> {
  const byCustodian = steps.offer();
  await steps.buy(byCustodian);
  const delivery = keccak256(steps.idOf(byCustodian));
  const args = [byCustodian, delivery, await steps.receipt(byCustodian)];
  await steps.call('confirm by custodian', steps.custodian, 'confirm', args);
  const byBuyer = steps.offer();
  await steps.buy(byBuyer);
  await steps.call('confirm by buyer', steps.buyer, 'confirm', [byBuyer, delivery, '0x']);
  const free = steps.offer({ price: 0n });
  await steps.buy(free, 'purchase account, price 0');
  await steps.call('confirm by buyer, price 0', steps.buyer, 'confirm', [free, delivery, '0x']);
  // The same payee again: its credit is a word already.
  const again = steps.offer({ payee: byBuyer.payee });
  await steps.buy(again);
  await steps.call('confirm by buyer, known payee', steps.buyer, 'confirm', [again, delivery, '0x']);
}

async function measureDisputes(steps: LedgerSteps): Promise<void> {
  const settled = steps.offer();
  const disputed = steps.offer();
  const unanswered = steps.offer();
  const wrapped = toHex(stringToBytes('k'.repeat(80)));
  for (const offer of [settled, disputed, unanswered]) {
    await steps.buy(offer);
    await steps.call('deliverOnChain 80 bytes', steps.custodian, 'deliverOnChain', [offer, wrapped]);
  }
  await steps.call('dispute', steps.buyer, 'dispute', [disputed]);
  await steps.call('dispute', steps.buyer, 'dispute', [unanswered]);
  await steps.call('resolve, halves', steps.arbiter, 'resolve', [disputed, compensation / 2n]);
  await steps.pass(2 * day);
  await steps.call('settle', steps.anybody, 'settle', [settled]);
  await steps.pass(31 * day);
  await steps.call('resolveUnanswered', steps.anybody, 'resolveUnanswered', [unanswered]);
}

async function measureEnds(steps: LedgerSteps): Promise<void> {
  const late = steps.offer();
  await steps.buy(late);
  await steps.pass(2 * day);
  await steps.call('refund', steps.anybody, 'refund', [late]);
  const active = steps.offer();
  await steps.buy(active);
  await steps.call('confirm by buyer', steps.buyer, 'confirm', [active, late.terms, '0x']);
  const funded = steps.offer();
  await steps.buy(funded);
  const unused = steps.offer();
  for (const [name, offer] of Object.entries({ active, funded, unused })) {
    const signature = await steps.signer(offer).signTypedData({
      domain: steps.domain,
      types: consentTypes,
      primaryType: 'Revocation',
      message: { offer: steps.idOf(offer) },
    });
    await steps.call(`revokeBySignature ${name}`, steps.anybody, 'revokeBySignature', [offer, signature]);
  }
}

async function measureWithdrawals(steps: LedgerSteps): Promise<void> {
  const toPurse = steps.offer();
  await steps.buy(toPurse);
  await steps.call('confirm by buyer', steps.buyer, 'confirm', [toPurse, toPurse.terms, '0x']);
  const withdrawal = {
    signer: toPurse.patient,
    token: zeroAddress,
    to: steps.custodian.address,
    amount: toPurse.price,
    nonce: 0n,
    until: farFuture,
  } as const;
  const signature = await steps
    .signer(toPurse)
    .signTypedData({ domain: steps.domain, types: consentTypes, primaryType: 'Withdrawal', message: withdrawal });
  const { signer, token, to, amount, nonce, until } = withdrawal;
  const args = [signer, token, to, amount, nonce, until, signature];
  await steps.call('withdrawBySignature', steps.anybody, 'withdrawBySignature', args);
  for (const step of ['withdrawFor', 'withdraw'] as const) {
    const offer = steps.offer({ payee: steps.arbiter.address });
    await steps.buy(offer);
    await steps.call('confirm by buyer', steps.buyer, 'confirm', [offer, offer.terms, '0x']);
    const stepArgs = step === 'withdraw' ? [zeroAddress] : [steps.arbiter.address, zeroAddress];
    await steps.call(step, steps.arbiter, step, stepArgs);
  }
}

async function measureBatches(steps: LedgerSteps): Promise<void> {
  const offers = Array.from({ length: 50 }, () => steps.offer());
  const signatures = await Promise.all(offers.map((offer) => steps.sign(offer)));
  const total = compensation * BigInt(offers.length);
  await steps.call('purchaseMany 50', steps.buyer, 'purchaseMany', [offers, signatures], total);
  const deliveries = offers.map((offer) => keccak256(steps.idOf(offer)));
  const receipts = await Promise.all(offers.map((offer) => steps.receipt(offer)));
  await steps.call('confirmMany 50', steps.custodian, 'confirmMany', [offers, deliveries, receipts]);
}

async function measureLogs(steps: LedgerSteps): Promise<void> {
  const root = keccak256('0x01');
  await steps.call('anchor', steps.custodian, 'anchor', [keccak256('0x00'), root, 1000n]);
  await steps.call('logAccess', steps.custodian, 'logAccess', [keccak256('0x02'), root]);
}

async function measureEscrow(chain: Chain): Promise<void> {
  const escrow = compileContracts(['test/fixtures/MinimalEscrow.sol']).get('MinimalEscrow');
  if (escrow === undefined) throw new Error('the escrow did not compile');
  const address = await deploy(chain, 'minimal escrow: deploy', escrow.creationCode, 2_000_000n);
  const payee = accountOf('custodian');
  const call = async (step: string, account: Account, functionName: string, args: readonly unknown[], value = 0n) => {
    const request = { account, address, abi: escrow.abi, functionName, args, value };
    const hash = await chain.clients.wallet.writeContract(request);
    const receipt = await chain.clients.reader.waitForTransactionReceipt({ hash });
    chain.table[`minimal escrow: ${step}`] = Number(receipt.gasUsed);
  };
  const deal = BigInt(slice(keccak256('0x03'), 0, 16));
  await call('purchase', accountOf('buyer'), 'purchase', [deal], compensation);
  await call('release', accountOf('buyer'), 'release', [deal, payee.address]);
  await call('withdraw', payee, 'withdraw', []);
}
