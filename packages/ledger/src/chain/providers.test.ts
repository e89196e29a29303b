import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LedgerStaleError, LedgerUnreachableError, LedgerWrongError } from '../grants/errors.ts';
import { ChainWorld } from './chain-world.testing.ts';
import { type Fault, type FaultyAnswer, FaultyProvider } from './faulty-provider.testing.ts';

let world: ChainWorld;
beforeAll(async () => {
  world = await ChainWorld.start();
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

const oldHead = { kind: 'change', change: (block: unknown) => ({ ...(block as object), timestamp: '0x1' }) } as const;

const faults: readonly (readonly [string, FaultyAnswer])[] = [
  ['drops the connection', { kind: 'drop' }],
  ['never answers', { kind: 'hang' }],
  ['says 429', { kind: 'status', status: 429 }],
  ['says 502', { kind: 'status', status: 502 }],
  ['answers with something else than JSON', { kind: 'text', text: '<html>sign in</html>' }],
  ['answers with another shape', { kind: 'result', result: { number: 'many' } }],
  ['answers with more than it may', { kind: 'text', text: 'x'.repeat(200_000) }],
  ['answers with an internal error', { kind: 'error', code: -32_603, message: 'oops' }],
  ['says that it does not know the newest block', { kind: 'result', result: null }],
];

describe('providers', () => {
  it.each(faults)('goes on with the second where the first %s', async (_name, fault) => {
    await using faulty = await FaultyProvider.start(world.chain.url, () => fault);
    const urls = [faulty.url, world.chain.url];
    await using ledger = await world.connect({ urls, requestMsMax: 2_000, answerBytesMax: 150_000 });
    const { grantId } = await world.offer();
    expect(await ledger.stateOf(grantId, 'final')).toMatchObject({ status: 'none' });
    faulty.fault = ({ method }) => (method === 'eth_getBlockByNumber' ? fault : null);
    expect(await ledger.stateOf(grantId, 'final')).toMatchObject({ status: 'none' });
  });

  it.each(faults)('says that it is away, and is tried again, where the only one %s', async (_name, fault) => {
    await using faulty = await FaultyProvider.start(world.chain.url, () => fault);
    await using ledger = await world.connect({ urls: [faulty.url], requestMsMax: 2_000, answerBytesMax: 150_000 });
    const { grantId } = await world.offer();
    await expect(ledger.stateOf(grantId, 'final')).rejects.toBeInstanceOf(LedgerUnreachableError);
    faulty.fault = () => null;
    expect(await ledger.stateOf(grantId, 'final')).toMatchObject({ status: 'none' });
  });

  it('passes over one that is another chain, and refuses to start where all are', async () => {
    const lie = { kind: 'result', result: '0x1' } as const;
    await using faulty = await FaultyProvider.start(world.chain.url, ({ method }) =>
      method === 'eth_chainId' ? lie : null,
    );
    await expect(world.connect({ urls: [faulty.url] })).rejects.toBeInstanceOf(LedgerWrongError);
    await using ledger = await world.connect({ urls: [faulty.url, world.chain.url] });
    await ledger.status();
    expect(faulty.asked.get('eth_getBlockByNumber')).toBe(undefined);
  });

  it('checks a provider again after it failed: one that came back as another chain is not believed', async () => {
    await using faulty = await FaultyProvider.start(world.chain.url);
    await using ledger = await world.connect({ urls: [faulty.url] });
    const signed = await world.offer();
    faulty.fault = () => ({ kind: 'drop' });
    await expect(ledger.status()).rejects.toBeInstanceOf(LedgerUnreachableError);
    faulty.fault = ({ method }) => (method === 'eth_getCode' ? { kind: 'result', result: '0x6001' } : null);
    await expect(ledger.stateOf(signed.grantId, 'final')).rejects.toMatchObject({ facts: { fault: 'code-hash' } });
    await expect(ledger.perform({ step: 'purchase', grants: [signed] })).rejects.toBeInstanceOf(LedgerWrongError);
    expect(faulty.asked.get('eth_sendRawTransaction')).toBe(undefined);
  });

  it('believes no head that is too old, and takes the provider whose head is fresh', async () => {
    await using faulty = await FaultyProvider.start(world.chain.url, ({ method, params }) =>
      method === 'eth_getBlockByNumber' && params[0] === 'latest' ? oldHead : null,
    );
    const { grantId } = await world.offer();
    await using alone = await world.connect({ urls: [faulty.url] });
    await expect(alone.stateOf(grantId, 'final')).rejects.toBeInstanceOf(LedgerStaleError);
    await expect(alone.creditOf(world.buyer.address, world.buyer.address)).rejects.toBeInstanceOf(LedgerStaleError);
    expect((await alone.status()).headAgeMs).toBeGreaterThan(1_000_000);
    const signed = await world.offer();
    await alone.perform({ step: 'purchase', grants: [signed] }); // what is sent, the chain decides
    await expect(alone.stateOf(signed.grantId, 'sealed')).rejects.toBeInstanceOf(LedgerStaleError);
    await using both = await world.connect({ urls: [faulty.url, world.chain.url], headAgeMsMax: 3_600_000 });
    expect(await both.stateOf(grantId, 'final')).toMatchObject({ status: 'none' });
  });

  it('relies on a grant’s final state only where two of three say the same', async () => {
    const active = `0x${'4'.padStart(64, '0')}${(4_000_000_000).toString(16).padStart(64, '0')}`;
    const lie: Fault = ({ method }) => (method === 'eth_call' ? { kind: 'result', result: active } : null);
    await using liar = await FaultyProvider.start(world.chain.url, lie);
    await using second = await FaultyProvider.start(world.chain.url);
    const { grantId } = await world.offer();
    await using believing = await world.connect({ urls: [liar.url] });
    expect(await believing.stateOf(grantId, 'final')).toMatchObject({ isAllowed: true });
    await using ledger = await world.connect({ urls: [liar.url, second.url, world.chain.url], requestMsMax: 2_000 });
    expect(await ledger.stateOf(grantId, 'final')).toMatchObject({ status: 'none', isAllowed: false });
    second.fault = () => ({ kind: 'drop' });
    await expect(ledger.stateOf(grantId, 'final')).rejects.toMatchObject({ code: 'ledger-unreachable' });
    liar.fault = () => null;
    expect(await ledger.stateOf(grantId, 'final')).toMatchObject({ status: 'none', isAllowed: false });
  });

  it('never shows an address in an error, since it may hold a key', async () => {
    const dead = await FaultyProvider.start(world.chain.url);
    const url = `${dead.url}/secret-key`;
    await dead[Symbol.asyncDispose]();
    await using ledger = await world.connect({ urls: [url] });
    const error = (await ledger.status().catch((one: unknown) => one)) as Error;
    expect(error).toBeInstanceOf(LedgerUnreachableError);
    expect(JSON.stringify([error.message, (error as LedgerUnreachableError).facts])).not.toContain('secret');
  });
});
