import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryBoard, testAuthor } from '@pulsemesh/board/testing';
import { bulletinAccountOf, bulletinDomain } from '../bulletin/bulletin-account.ts';
import { openBulletinLedger } from '../bulletin/bulletin-ledger.ts';
import { ChainWorld, testDependencies } from '../chain/chain-world.testing.ts';
import { grantKeyOf } from '../offer/grant-key.ts';
import type { Hex } from '../offer/offer.ts';
import { accountSigner } from '../offer/signing.ts';
import { testKeyOf } from './anvil.ts';
import { grantLedgerSuite } from './grant-ledger-suite.ts';
import { MemoryLedger } from './memory-ledger.ts';
import { accountOf } from './some-offer.ts';

const signer = accountSigner(grantKeyOf(new Uint8Array(32).fill(7)));

grantLedgerSuite('a ledger in memory', async () => {
  const clock = new VirtualClock();
  const ledger = new MemoryLedger({}, { clock });
  return {
    domain: ledger.domain,
    buyer: { ledger: ledger.connect(signer.signer), signer },
    custodian: { ledger: ledger.connect(accountOf(2)), account: accountOf(2) },
    now: async () => clock.now(),
    pass: (seconds) => clock.advance(seconds * 1000),
    [Symbol.asyncDispose]: async () => {},
  };
});

grantLedgerSuite('the public board', async () => {
  const clock = new VirtualClock();
  const board = createMemoryBoard({}, { clock });
  const [reader, author, custodian] = [board.reader(), testAuthor('research'), testAuthor('first')];
  const dependencies = { clock, logger: silentLogger };
  const buyer = openBulletinLedger({ board, author, buyer: signer }, dependencies);
  const other = openBulletinLedger({ board: reader, author: custodian, buyer: null }, dependencies);
  return {
    domain: bulletinDomain,
    buyer: { ledger: buyer, signer },
    custodian: { ledger: other, account: bulletinAccountOf(custodian.peerId) },
    now: async () => clock.now(),
    pass: (seconds) => clock.advance(seconds * 1000),
    async [Symbol.asyncDispose]() {
      await buyer[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      await board[Symbol.asyncDispose]();
    },
  };
});

grantLedgerSuite('a chain', async () => {
  const world = await ChainWorld.start();
  const buyer = await world.connect();
  const custodian = await world.connect({ signer: world.custodian });
  const account = world.buyer.address.toLowerCase() as Hex; // of one
  let passedMs = 0;
  return {
    domain: world.domain,
    buyer: { ledger: buyer, signer: { ...accountSigner({ privateKey: testKeyOf('buyer'), signer: account }) } },
    custodian: { ledger: custodian, account: world.custodian.address.toLowerCase() as Hex }, // of one
    now: async () => testDependencies.clock.now() + passedMs,
    async pass(seconds) {
      passedMs += seconds * 1000;
      await world.chain.ask('evm_increaseTime', [seconds]);
      await world.chain.ask('evm_mine');
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
});
