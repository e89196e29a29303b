import { setTimeout as pause } from 'node:timers/promises';
import {
  createMemoryTables,
  StoreFailedError,
  StoreFullError,
  type TableChange,
  type TableStore,
} from '@pulsemesh/store';
import { encodeFunctionData, type Hex, parseTransaction, zeroAddress } from 'viem';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { consentLedgerAbi } from '../../contract/index.ts';
import { LedgerRefusedError, LedgerUnreachableError, SpendingLimitError } from '../../grants/errors.ts';
import { ChainWorld, word } from '../chain-world.testing.ts';
import { type Fault, FaultyProvider } from '../faulty-provider.testing.ts';
import { plainTokenCreationCode } from '../plain-token.testing.ts';

let world: ChainWorld;
beforeAll(async () => {
  world = await ChainWorld.start();
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(async () => {
  await world.chain.ask('evm_setAutomine', [true]);
});

const ask = (method: string, params: readonly unknown[] = []) => world.chain.ask(method, params);
const nonceOf = async (tag = 'latest') => Number(await ask('eth_getTransactionCount', [world.buyer.address, tag]));

/** Looks again until it holds; the test's own limit of time ends it otherwise. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(10);
}

/** A provider that keeps the transactions it was sent, and fails as told. */
async function recorder(fault: Fault = () => null) {
  const sent: Hex[] = [];
  const provider = await FaultyProvider.start(world.chain.url);
  const set = (next: Fault) => {
    provider.fault = (question) => {
      if (question.method === 'eth_sendRawTransaction') sent.push(question.params[0] as Hex);
      return next(question);
    };
  };
  set(fault);
  return { provider, sent, set, [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose]() };
}

const dropSending: Fault = ({ method }) => (method === 'eth_sendRawTransaction' ? { kind: 'drop' } : null);

describe('a transaction on its way', () => {
  it('that was written before a crash is sent afterwards as it was', async () => {
    const store = createMemoryTables();
    await using first = await recorder(dropSending);
    const signed = await world.offer();
    const step = { step: 'purchase', grants: [signed] } as const;
    const ledger = await world.connect({ urls: [first.provider.url] }, store);
    const asked = ledger.perform(step).catch((error: unknown) => error);
    await until(() => first.sent.length > 0);
    await ledger[Symbol.asyncDispose]();
    expect(await asked).toBeInstanceOf(LedgerUnreachableError);
    await using second = await recorder();
    const again = await world.connect({ urls: [second.provider.url] }, store);
    const done = await again.perform(step);
    expect(second.sent).toContain(first.sent[0]);
    expect((await again.stateOf(signed.grantId, 'final')).status).toBe('funded');
    await until(() => again.underWayCount() === 0);
    expect(await again.perform(step)).toEqual(done);
  });

  it('is sent without anybody asking for the step again after a crash', async () => {
    const store = createMemoryTables();
    await using faulty = await recorder(dropSending);
    const signed = await world.offer();
    const ledger = await world.connect({ urls: [faulty.provider.url] }, store);
    const asked = ledger.perform({ step: 'purchase', grants: [signed] }).catch(() => {});
    await until(() => faulty.sent.length > 0);
    await ledger[Symbol.asyncDispose]();
    await asked;
    const again = await world.connect({}, store);
    await until(async () => (await again.stateOf(signed.grantId, 'sealed')).status === 'funded');
  });

  it('is done once where the answer to sending it is lost', async () => {
    await using faulty = await recorder(({ method }) =>
      method === 'eth_sendRawTransaction' ? { kind: 'lose-answer' } : null,
    );
    const ledger = await world.connect({ urls: [faulty.provider.url] });
    const nonce = await nonceOf();
    await ledger.perform({ step: 'purchase', grants: [await world.offer()] });
    expect(await nonceOf()).toBe(nonce + 1);
  });

  it('that is stuck goes out again under its nonce with higher fees', async () => {
    await using watched = await recorder();
    const ledger = await world.connect({ urls: [watched.provider.url], stuckMs: 30 });
    await ask('evm_setAutomine', [false]);
    const asked = ledger.perform({ step: 'purchase', grants: [await world.offer()] });
    await until(() => new Set(watched.sent).size >= 3);
    await ask('evm_mine');
    const done = await asked;
    const forms = [...new Set(watched.sent)].map((raw) => parseTransaction(raw));
    expect(new Set(forms.map(({ nonce }) => nonce)).size).toBe(1);
    for (const [index, { maxFeePerGas = 0n }] of forms.entries()) {
      expect(maxFeePerGas).toBeGreaterThan(forms[index - 1]?.maxFeePerGas ?? 0n);
    }
    expect(done.gasUsed).toBeGreaterThan(21_000n);
  });

  it('whose nonce another program took is found lost and done under a new one', async () => {
    const ledger = await world.connect();
    const signed = await world.offer();
    await ask('evm_setAutomine', [false]);
    const nonce = await nonceOf();
    const asked = ledger.perform({ step: 'purchase', grants: [signed] });
    await until(async () => (await nonceOf('pending')) === nonce + 1);
    const common = { type: 'eip1559', chainId: world.chain.chainId, nonce, gas: 21_000n, to: zeroAddress } as const;
    const fee = 10n ** 12n;
    await ask('eth_sendRawTransaction', [
      await world.buyer.signTransaction({ ...common, maxFeePerGas: fee, maxPriorityFeePerGas: fee }),
    ]);
    await ask('evm_mine');
    await ask('evm_setAutomine', [true]);
    await asked;
    expect((await ledger.stateOf(signed.grantId, 'final')).status).toBe('funded');
    expect(await nonceOf()).toBe(nonce + 2);
  });

  it('behind a gap in the nonces gets through, since the gap is filled', async () => {
    const plusOne = (count: unknown) => `0x${(Number(count) + 1).toString(16)}`;
    await using faulty = await recorder(({ method, params }) =>
      method === 'eth_getTransactionCount' && params[1] === 'pending' ? { kind: 'change', change: plusOne } : null,
    );
    const ledger = await world.connect({ urls: [faulty.provider.url] });
    const nonce = await nonceOf();
    const asked = ledger.perform({ step: 'purchase', grants: [await world.offer()] });
    await until(() => faulty.sent.length > 0);
    faulty.set(() => null);
    await asked;
    expect(await nonceOf()).toBe(nonce + 2);
  });

  it('that is not sealed in time says so, and is followed on', async () => {
    const ledger = await world.connect({ confirmMsMax: 50 });
    await ask('evm_setAutomine', [false]);
    const signed = await world.offer();
    const error = await ledger.perform({ step: 'purchase', grants: [signed] }).catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'ledger-unreachable', message: expect.stringContaining('followed on') });
    await ask('evm_mine');
    await until(() => ledger.underWayCount() === 0);
    expect((await ledger.stateOf(signed.grantId, 'final')).status).toBe('funded');
  });

  it('waits while fees are above the cap', async () => {
    const gwei = 10n ** 9n;
    const setBaseFee = async (fee: bigint) => {
      await ask('anvil_setNextBlockBaseFeePerGas', [`0x${fee.toString(16)}`]);
      await ask('evm_mine');
    };
    await using watched = await recorder();
    const ledger = await world.connect({ urls: [watched.provider.url], feePerGasMax: 50n * gwei });
    await setBaseFee(500n * gwei);
    const looks = watched.provider.asked.get('eth_maxPriorityFeePerGas') ?? 0;
    const asked = ledger.perform({ step: 'purchase', grants: [await world.offer()] });
    await until(() => (watched.provider.asked.get('eth_maxPriorityFeePerGas') ?? 0) > looks + 3);
    expect(watched.sent).toEqual([]);
    await setBaseFee(gwei);
    await asked;
    expect(parseTransaction(watched.sent[0] ?? '0x').maxFeePerGas).toBeLessThanOrEqual(50n * gwei);
  });

  it('that the contract refuses in the end says why', async () => {
    const ledger = await world.connect();
    const { offer, grantId } = await buy(ledger);
    const args = [offer, await world.revocation(grantId)] as const;
    const data = encodeFunctionData({ abi: consentLedgerAbi, functionName: 'revokeBySignature', args });
    await ask('evm_setAutomine', [false]);
    const confirm = { step: 'confirm', grants: [{ offer, delivery: word(1), receipt: '0x' }] } as const;
    const asked = ledger.perform(confirm).catch((error: unknown) => error);
    await until(async () => (await nonceOf('pending')) > (await nonceOf()));
    const fee = 10n ** 12n;
    const overtaking = {
      type: 'eip1559',
      chainId: world.chain.chainId,
      nonce: Number(await ask('eth_getTransactionCount', [world.custodian.address, 'latest'])),
      to: world.deployed.contract,
      data,
      gas: 500_000n,
      maxFeePerGas: fee,
      maxPriorityFeePerGas: fee,
    } as const;
    await ask('eth_sendRawTransaction', [await world.custodian.signTransaction(overtaking)]);
    await ask('evm_mine');
    expect(await asked).toMatchObject({ reason: 'WrongStatus', facts: { status: 'revoked' } });
  });

  it('that a reorganisation takes away is put back', async () => {
    const ledger = await world.connect({ finality: { kind: 'depth', blocks: 4 } });
    const signed = await buy(ledger);
    expect((await ledger.stateOf(signed.grantId, 'final')).status).toBe('none');
    await ask('anvil_reorg', [2, []]);
    await until(async () => {
      await ask('evm_mine');
      return ledger.underWayCount() === 0;
    });
    expect((await ledger.stateOf(signed.grantId, 'final')).status).toBe('funded');
  });
});

describe('a disk', () => {
  /** A store that fails at its nth commit. */
  function failingAt(count: number, error: Error) {
    const store = createMemoryTables();
    let commits = 0;
    const commit = async (changes: readonly TableChange[]) => {
      commits += 1;
      if (commits === count) throw error;
      await store.commit(changes);
    };
    return Object.assign(Object.create(store) as TableStore, {
      get: store.get.bind(store),
      range: store.range.bind(store),
      count: store.count.bind(store),
      commit,
    });
  }

  it('that is full before a transaction is written keeps it from being sent', async () => {
    await using watched = await recorder();
    const ledger = await world.connect({ urls: [watched.provider.url] }, failingAt(1, new StoreFullError('bytesMax')));
    const signed = await world.offer();
    await expect(ledger.perform({ step: 'purchase', grants: [signed] })).rejects.toBeInstanceOf(StoreFullError);
    expect(watched.sent).toEqual([]);
    await ledger.perform({ step: 'purchase', grants: [signed] });
  });

  it('that is full when a transaction is done is tried again; one that failed ends it with its error', async () => {
    const full = await world.connect({}, failingAt(2, new StoreFullError('bytesMax')));
    await full.perform({ step: 'purchase', grants: [await world.offer()] });
    const failed = await world.connect({}, failingAt(2, new StoreFailedError('write')));
    const signed = await world.offer();
    await expect(failed.perform({ step: 'purchase', grants: [signed] })).rejects.toBeInstanceOf(StoreFailedError);
    expect((await failed.stateOf(signed.grantId, 'final')).status).toBe('funded');
  });
});

async function buy(ledger: Awaited<ReturnType<ChainWorld['connect']>>) {
  const signed = await world.offer();
  await ledger.perform({ step: 'purchase', grants: [signed] });
  return signed;
}

describe('spending', () => {
  const coin = 10n ** 18n;
  const connect = (store: TableStore) =>
    world.connect({ spendingLimits: [{ token: zeroAddress, perDay: 2n * coin, total: 3n * coin }] }, store);

  it('ends at the limit, also after a restart, and says what is left', async () => {
    const store = createMemoryTables();
    const ledger = await connect(store);
    const dear = await world.offer({ price: (15n * coin) / 10n });
    await ledger.perform({ step: 'purchase', grants: [dear] });
    const left = ledger.spendingLeft(zeroAddress);
    expect(left?.today).toBeLessThan(coin / 2n);
    expect(left?.today).toBeGreaterThan(coin / 3n);
    await ledger[Symbol.asyncDispose]();
    const nonce = await nonceOf();
    const again = await connect(store);
    expect(again.spendingLeft(zeroAddress)).toEqual(left);
    const error = await again
      .perform({ step: 'purchase', grants: [await world.offer({ price: coin })] })
      .catch((one: unknown) => one);
    expect(error).toBeInstanceOf(SpendingLimitError);
    expect(error).toMatchObject({ facts: { period: 'day', left: String(left?.today) } });
    expect(await nonceOf()).toBe(nonce);
  });

  it('counts nothing for what was not bought', async () => {
    const ledger = await connect(createMemoryTables());
    const offer = await world.offer({ buyer: world.custodian.address });
    await expect(ledger.perform({ step: 'purchase', grants: [offer] })).rejects.toBeInstanceOf(LedgerRefusedError);
    expect(ledger.spendingLeft(zeroAddress)).toEqual({ today: 2n * coin, total: 3n * coin });
  });
});

describe('a price in a token', () => {
  async function deployToken(): Promise<Hex> {
    const [rich] = (await ask('eth_accounts')) as Hex[];
    const hash = await ask('eth_sendTransaction', [{ from: rich, data: plainTokenCreationCode }]);
    await until(async () => (await ask('eth_getTransactionReceipt', [hash])) !== null);
    const { contractAddress } = (await ask('eth_getTransactionReceipt', [hash])) as { contractAddress: Hex };
    const abi = [
      {
        type: 'function',
        name: 'mint',
        stateMutability: 'nonpayable',
        inputs: [
          { name: 'to', type: 'address' },
          { name: 'amount', type: 'uint256' },
        ],
        outputs: [],
      },
    ] as const;
    const data = encodeFunctionData({ abi, functionName: 'mint', args: [world.buyer.address, 100n] });
    const minted = await ask('eth_sendTransaction', [{ from: rich, to: contractAddress, data }]);
    await until(async () => (await ask('eth_getTransactionReceipt', [minted])) !== null);
    return contractAddress;
  }

  it('is approved exactly and paid; many at once do not take each other’s approval', async () => {
    const token = await deployToken();
    const ledger = await world.connect({
      spendingLimits: [
        { token: zeroAddress, perDay: 10n ** 18n, total: 10n ** 18n },
        { token, perDay: 50n, total: 50n },
      ],
    });
    const offers = await Promise.all([10n, 20n, 15n].map((price) => world.offer({ token, price })));
    await Promise.all(offers.map((signed) => ledger.perform({ step: 'purchase', grants: [signed] })));
    for (const { grantId } of offers) expect((await ledger.stateOf(grantId, 'final')).status).toBe('funded');
    expect(ledger.spendingLeft(token)).toEqual({ today: 5n, total: 5n });
    const dear = await world.offer({ token, price: 6n });
    await expect(ledger.perform({ step: 'purchase', grants: [dear] })).rejects.toBeInstanceOf(SpendingLimitError);
  });

  it('may not be spent where the limits do not name it', async () => {
    const token = await deployToken();
    const ledger = await world.connect({
      spendingLimits: [{ token: zeroAddress, perDay: 10n ** 18n, total: 10n ** 18n }],
    });
    const signed = await world.offer({ token, price: 1n });
    await expect(ledger.perform({ step: 'purchase', grants: [signed] })).rejects.toMatchObject({
      code: 'spending-limit',
    });
  });
});
