import { describe, expect, it } from 'vitest';
import { bindingDigestOf } from '../../offer/binding.ts';
import { type ConsentTerms, consentText, parseConsent, termsOf } from '../../offer/consent.ts';
import { offerOf } from '../../offer/draft.ts';
import { grantKeyOf } from '../../offer/grant-key.ts';
import type { Hex, SignedOffer } from '../../offer/offer.ts';
import { accountSigner, signOffer, signReceipt } from '../../offer/signing.ts';
import { MarketWorld } from '../../testing/market-world.ts';
import { accountOf } from '../../testing/some-offer.ts';
import { homeLimits } from '../home/home-limits.ts';
import type { MarketRefusal } from '../market-events.ts';
import { decodeMessage, encodeMessage } from '../message-codec.ts';
import type { OfferBody, RecordsBody } from '../messages.ts';
import { researchLimits } from './research-limits.ts';

const oneRow: RecordsBody['rows'][number] = [1, 0, new Uint8Array(16), 0, new Uint8Array(40)];

describe('what comes by the post', () => {
  it('is dropped and counted when it is nothing, from the wrong peer, repeated or altered', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    await world.offered(subject);
    const [home, research, first] = [world.peer('home'), world.peer('research'), world.peer('first')];
    const offer = world.post.sent.findLast(({ to }) => to === research)?.bytes as Uint8Array;
    const ask = world.post.sent.find(({ from }) => from === research)?.bytes as Uint8Array;
    world.post.inject(home, research, offer);
    world.post.inject(first, research, offer);
    world.post.inject(first, research, Uint8Array.of(1, 2, 3));
    world.post.inject(research, home, ask);
    world.post.inject(first, home, ask);
    world.post.inject(research, home, offer);
    await world.clock.advance(60_000);
    expect(Object.fromEntries(world.research.refusals)).toEqual({ repeated: 1, 'wrong-sender': 1, 'not-a-message': 1 });
    expect(Object.fromEntries(world.home.refusals)).toEqual({ repeated: 1, 'wrong-sender': 1, 'not-for-here': 1 });
    expect(world.research.view().grants).toHaveLength(1);
    expect(world.home.view(subject).asks).toHaveLength(1);
  });
});

describe('a researcher', () => {
  it('takes no offer that is not what was asked, agreed and signed', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const { grantId } = await world.offered(subject);
    const [home, research] = [world.peer('home'), world.peer('research')];
    const bytes = world.post.sent.findLast(({ to }) => to === research)?.bytes as Uint8Array;
    const message = decodeMessage(bytes);
    if (message.kind !== 'offer') throw new Error('no offer');
    const { body } = message;
    const other = (byte: string): Hex => `0x${byte.repeat(32)}`;
    const changed = (signed: Partial<SignedOffer>, fields: Partial<OfferBody> = {}) =>
      encodeMessage('offer', { ...body, signed: { ...body.signed, grantId: other('77'), ...signed }, ...fields });
    const { offer } = body.signed;
    const inputs: [MarketRefusal, Uint8Array][] = [
      ['price', changed({ offer: { ...offer, price: 101n } })],
      ['terms', changed({ offer: { ...offer, buyer: accountOf(5) } })],
      ['terms', changed({}, { untilSeconds: body.untilSeconds + 3600 })],
      ['terms', changed({}, { vitals: ['windows'] })],
      ['terms', changed({}, { salt: new Uint8Array(32) })],
      ['terms', changed({}, { consent: body.consent.replace('research/rhythm', 'research/other1') })],
      ['expired', changed({ offer: { ...offer, validUntil: 1 } })],
      ['signature', changed({})],
      ['signature', changed({ offer: { ...offer, nonce: other('01') } })],
      ['terms', changed({ offer: { ...offer, price: 1n } })],
      ['unknown', changed({}, { askId: 'ab'.repeat(16) })],
    ];
    for (const [reason, input] of inputs) {
      const before = world.research.refusals.get(reason) ?? 0;
      world.post.inject(home, research, input);
      await world.until(reason, () => world.research.refusals.get(reason) === before + 1, 60_000);
    }
    expect(world.research.view().grants.map((grant) => grant.grantId)).toEqual([grantId]);
  });

  it('takes no offer whose consent says other than the offer and the request, however well it is signed', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const { grantId } = await world.offered(subject);
    const [home, research] = [world.peer('home'), world.peer('research')];
    const message = decodeMessage(world.post.sent.findLast(({ to }) => to === research)?.bytes as Uint8Array);
    if (message.kind !== 'offer') throw new Error('no offer');
    const { body } = message;
    const patient = accountSigner(grantKeyOf(new Uint8Array(32).fill(5)));
    const terms = parseConsent(body.consent);
    const says = async (other: Partial<ConsentTerms>, nonce: number) => {
      const consent = consentText({ ...terms, ...other });
      const { patient: _patient, payee: _payee, ...draft } = body.signed.offer;
      const own: Hex = `0x${nonce.toString(16).padStart(64, '0')}`;
      const offer = offerOf({ ...draft, nonce: own, terms: termsOf(body.salt, consent) }, patient.signer);
      const signed = await signOffer(offer, world.domain, patient);
      world.post.inject(home, research, encodeMessage('offer', { ...body, signed, consent }));
    };
    const lies: Partial<ConsentTerms>[] = [
      { compensation: '7' },
      { token: accountOf(3) },
      { accessForSeconds: terms.accessForSeconds + 1 },
      { custodians: [...terms.custodians].reverse() },
      { title: 'Another study' },
      { explanation: 'For something else.' },
      { organisation: 'Somebody else' },
    ];
    for (const [place, lie] of lies.entries()) {
      const before = world.research.refusals.get('terms') ?? 0;
      await says(lie, place + 1);
      await world.until('a refusal', () => world.research.refusals.get('terms') === before + 1, 60_000);
    }
    expect(world.research.view().grants.map((grant) => grant.grantId)).toEqual([grantId]);
  });

  it('gives up an answer that never ends, or says what the ledger does not, and asks the other custodian', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    const [first, research] = [world.peer('first'), world.peer('research')];
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 3600 };
    const noMore = { isLast: false, receipt: null };
    for (const wrong of [
      (readId: string) => encodeMessage('records', { readId, page: 0, rows: [], ...noMore }),
      (readId: string) =>
        encodeMessage('records', { readId, page: researchLimits.readPagesMax, rows: [oneRow], ...noMore }),
      (about: string) => encodeMessage('denied', { about, reason: 'revoked', receipt: null }),
    ]) {
      const sent = world.post.sent.length;
      world.kill('first'); // what it would have answered does not come in between
      const read = world.research.read(grantId, 'readings', span);
      const asked = () => world.post.sent.slice(sent).find(({ to }) => to === first);
      await world.until('the request', () => asked() !== undefined);
      const request = decodeMessage(asked()?.bytes as Uint8Array);
      if (request.kind !== 'read') throw new Error('no request');
      world.post.inject(first, research, wrong(request.body.readId));
      await world.clock.advance(60_000);
      expect((await read).records).toHaveLength(1);
    }
  });

  it('can ask so much and no more at one time; what comes beyond is dropped', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const brief = world.question({ validForSeconds: 3600 });
    for (let count = 0; count <= homeLimits.asksPerPeerMax; count += 1) await world.research.ask(brief);
    await world.until('the last', () => world.home.refusals.get('full') === 1);
    await world.clock.advance(10_000);
    expect(world.home.view(subject).asks).toHaveLength(homeLimits.asksPerPeerMax);
    await world.clock.advance(3600_000);
    expect(world.home.view(subject).asks.every(({ state }) => state === 'expired')).toBe(true);
    await world.research.ask(world.question());
    await world.until('a new one', () => world.home.view(subject).asks.length === homeLimits.asksPerPeerMax + 1);
  });

  it('buys with a wallet that is bound by both signatures, and signs by it that the key opened', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const wallet = accountSigner(grantKeyOf(new Uint8Array(32).fill(9)));
    const account = wallet.signer;
    await expect(world.research.ask(world.question({ account }))).rejects.toMatchObject({ code: 'not-known' });
    const { typedData } = world.research.bindingFor(account);
    const statement = JSON.parse(typedData).message;
    await expect(world.research.bind(account, `0x${'11'.repeat(65)}`)).rejects.toMatchObject({
      code: 'signature-refused',
    });
    await world.research.bind(account, await wallet.sign(bindingDigestOf(statement)));
    expect(world.research.view().accounts).toContain(account);
    const askId = await world.research.ask(world.question({ account }));
    await world.until('the request', () => world.home.view(subject).asks.length === 1);
    const grantId = await world.accept(subject, askId);
    await world.until('the offer', () => world.research.view().grants.length === 1);
    await expect(world.research.buy([grantId])).rejects.toMatchObject({ code: 'no-signer' });
    expect(await world.research.purchaseTransaction([grantId])).toMatchObject({
      to: world.domain.verifyingContract,
      value: '0x64',
      chainId: world.domain.chainId,
    });
    expect(world.research.receiptFor(grantId)).toBeNull();
    const offer = world.post.sent.map(({ bytes }) => decodeMessage(bytes)).find(({ kind }) => kind === 'offer');
    if (offer?.kind !== 'offer') throw new Error('no offer');
    await world.ledger.connect(account).perform({ step: 'purchase', grants: [offer.body.signed] });
    await world.until('the key', () => world.research.receiptFor(grantId) !== null);
    const receipt = JSON.parse(world.research.receiptFor(grantId)?.typedData as string).message;
    await world.research.confirm(grantId, await signReceipt(receipt, world.domain, wallet));
    await world.until('the grant stands', () => world.research.view().grants[0]?.phase === 'active');
  });
});
