import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { testAuthor } from '@pulsemesh/board/testing';
import { createBox } from '@pulsemesh/crypto';
import { createMemoryTables } from '@pulsemesh/store';
import { expect, it } from 'vitest';
import type { Hex } from '../../offer/offer.ts';
import { accountOf } from '../../testing/some-offer.ts';
import { Desk } from '../desk/desk.ts';
import { encodeMessage } from '../message-codec.ts';
import type { ResearchGrantRow, ResearchRows } from './research-rows.ts';
import { tidy } from './tidying.ts';

const dayMs = 24 * 3600_000;
const home = testAuthor('home').peerId;
const hash = (byte: string): Hex => `0x${byte.repeat(32)}`;
const [unanswered, bought, offered, fresh] = ['11', '22', '33', '44'].map((byte) => byte.repeat(16)) as [
  string,
  string,
  string,
  string,
];

function askRow(askId: string, expiresMs: number): ResearchRows['ask'] {
  const buyer = {
    ...{ peer: home, account: accountOf(1), issuedMs: 1, expiresMs: 2 },
    ...{ peerSignature: new Uint8Array(64), accountSignature: `0x${'08'.repeat(65)}` as Hex },
  };
  const message = encodeMessage('ask', {
    ...{ askId, audience: { to: 'cohort', criteria: {} }, title: 't', purpose: 'research/rhythm', explanation: 'e' },
    ...{ organisation: 'o', vitals: ['readings'], fromSeconds: 0, untilSeconds: 3600, accessForSeconds: 3600 },
    ...{ price: 0n, token: accountOf(0), buyer, hpkePublicKey: new Uint8Array(32), createdMs: 0, expiresMs },
  });
  return { home, message, hpkePrivateKey: new Uint8Array(32) };
}

function grantRow(askId: string, validUntil: number, purchaseTransaction: Hex | null): ResearchGrantRow {
  return {
    ...{ askId, home, offer: new Uint8Array(0), validUntil, offeredMs: 0, status: 'none', deadline: 0 },
    ...{ isRefunded: false, purchaseTransaction, envelope: null, receipt: null, receivedMs: 0 },
    ...{ revocation: null, accesses: 0 },
  };
}

it('forgets requests and offers a while after they ran out, but none that was bought, and no answer of a living one', async () => {
  const random = createSeededRandom(1);
  const deps = { clock: new VirtualClock(), random, logger: silentLogger, meter: silentMeter };
  const box = createBox(new Uint8Array(32), { random });
  const means = { store: createMemoryTables(), box, post: { send: async () => {} }, notices: null, table: 'research' };
  await using desk = new Desk<ResearchRows>(means, deps);
  await desk.transact((change) => {
    for (const askId of [unanswered, bought, offered]) change.put('ask', askId, askRow(askId, dayMs));
    change.put('ask', fresh, askRow(fresh, 40 * dayMs));
    for (const askId of [unanswered, fresh]) {
      change.put('counter', `of ${askId}`, { askId, price: '1', note: '', atMs: 0 });
    }
    change.put('grant', hash('01'), grantRow(bought, 100, hash('aa')));
    change.put('grant', hash('02'), grantRow(bought, 100, null));
    change.put('grant', hash('03'), grantRow(offered, 2 * 86_400, null));
    const access = { custodian: home, receipt: new Uint8Array(0), atMs: 0 };
    for (const grantId of [hash('01'), hash('02')]) change.put('access', `${grantId}/${home}/0`, access);
  });
  const kept = () => ({
    asks: [...desk.all('ask').keys()],
    grants: [...desk.all('grant').keys()],
    counters: [...desk.all('counter').keys()],
    accesses: [...desk.all('access').keys()].map((id) => id.slice(0, 66)),
  });
  await desk.transact((change) => tidy(change, { nowMs: 31 * dayMs - 1, keptMs: 30 * dayMs }));
  expect(kept()).toEqual({
    asks: [unanswered, bought, offered, fresh],
    grants: [hash('01'), hash('03')],
    counters: [`of ${unanswered}`, `of ${fresh}`],
    accesses: [hash('01')],
  });
  await desk.transact((change) => tidy(change, { nowMs: 31 * dayMs, keptMs: 30 * dayMs }));
  expect(kept()).toMatchObject({ asks: [bought, offered, fresh], counters: [`of ${fresh}`] });
  await desk.transact((change) => tidy(change, { nowMs: 32 * dayMs, keptMs: 30 * dayMs }));
  expect(kept()).toMatchObject({ asks: [bought, fresh], grants: [hash('01')] });
});
