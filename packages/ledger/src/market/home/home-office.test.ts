import { sha256 } from '@pulsemesh/crypto';
import { calmMail } from '@pulsemesh/relay/testing';
import { fromHex, toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { encodeAccessReceipt } from '../../access/receipt-codec.ts';
import { MarketWorld } from '../../testing/market-world.ts';
import { SoftPasskey } from '../../testing/soft-passkey.ts';
import type { AssertionView } from '../views.ts';
import { homeLimits } from './home-limits.ts';

describe('nobody is seen', () => {
  /** What whoever watches the wires sees of a home between a request and a day later. */
  async function traceOf(answer: (world: MarketWorld, askId: string) => Promise<void>): Promise<string[]> {
    await using world = await MarketWorld.open({ patients: 3 });
    for (const subject of world.subjects) await world.enrol(subject);
    const askId = await world.again(() => world.research.ask(world.question()));
    await world.until('the request', () => world.home.view(world.subjects[2] as string).asks.length === 1);
    const before = world.post.sent.length;
    await answer(world, askId);
    await world.clock.advance(24 * 3600_000);
    return world.post.sent.slice(before).map(({ from, to, bytes }) => `${from} ${to} ${bytes.length}`);
  }

  it('who refuses looks like who is silent, and like who was never asked', async () => {
    const silent = await traceOf(async () => {});
    const refusing = await traceOf(async (world, askId) => {
      for (const subject of world.subjects) await world.home.refuse(askId, subject);
    });
    expect(refusing).toEqual(silent);
    expect(silent).toEqual([]);
  });

  it('who does not match, or did not agree to be asked, never hears of it', async () => {
    const profiles = (place: number) => ({ recordedHours: place === 0 ? 2 : 48, irregular: false, inputs: [] });
    await using world = await MarketWorld.open({ patients: 3, profiles });
    const [short, asked, unasked] = world.subjects as [string, string, string];
    await world.enrol(short);
    await world.enrol(asked);
    await world.research.ask(world.question({ criteria: { recordedHoursMin: 24 } }));
    await world.until('the request', () => world.home.view(asked).asks.length === 1);
    expect([world.home.view(short).asks, world.home.view(unasked).asks]).toEqual([[], []]);
    await world.home.setAskable(unasked, true);
    await world.until('the request', () => world.home.view(unasked).asks.length === 1);
  });

  it('a catalogue leaves small counts out and rounds others down', async () => {
    const profiles = (place: number) => ({ recordedHours: 48, irregular: place < 4, inputs: [] });
    await using world = await MarketWorld.open({ patients: 13, profiles });
    for (const subject of world.subjects) await world.home.setAskable(subject, true);
    const { cohorts } = await world.home.catalogue();
    expect(cohorts.map(({ patients }) => patients)).toEqual([10, 10]);
    expect(JSON.stringify(cohorts)).not.toContain('irregular');
    await world.clock.advance(24 * 3600_000);
    await world.until('the catalogue', () => world.research.view().catalogue.length === 1);
    expect(world.research.view().catalogue[0]).toMatchObject({ organisation: 'Clinic', cohorts });
  });
});

describe('a yes', () => {
  it('is given once, by the passkey that was shown the draft, with a key of its own', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const askId = await world.research.ask(world.question());
    await world.until('the request', () => world.home.view(subject).asks.length === 1);
    const one = await world.home.draft(askId, subject, null);
    const other = await world.home.draft(askId, subject, null);
    const yes = await world.yes(subject, one);
    const crossed = { ...yes, assertion: world.passkeyOf(subject).answer(other.challenge) };
    await expect(world.home.accept(subject, crossed)).rejects.toMatchObject({ code: 'passkey-refused' });
    const unsigned = { ...yes, signature: (await world.yes(subject, other)).signature };
    await expect(world.home.accept(subject, unsigned)).rejects.toMatchObject({ code: 'signature-refused' });
    const grantId = await world.home.accept(subject, yes);
    expect(await world.home.accept(subject, yes)).toBe(grantId);
    await expect(world.home.accept(subject, await world.yes(subject, other))).rejects.toMatchObject({
      code: 'ask-gone',
    });
    await expect(world.home.draft(askId, subject, null)).rejects.toMatchObject({ code: 'ask-gone' });
    expect(world.home.view(subject).grants).toHaveLength(1);
  });

  it('does not tell the ledger at which second it was given', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const askId = await world.research.ask(world.question());
    await world.until('the request', () => world.home.view(subject).asks.length === 1);
    await world.clock.advance(17_000);
    const draft = await world.home.draft(askId, subject, null);
    const validUntil = Number(draft.offer['validUntil']);
    expect(validUntil % 3600).toBe(0);
    expect(validUntil * 1000).toBeGreaterThanOrEqual(world.clock.now() + 72 * 3600_000);
  });

  it('goes to the custodians that the patient was shown, or nowhere', async () => {
    let isOther = false;
    await using world = await MarketWorld.open({ custodians: (all) => (isOther ? [...all].reverse() : all) });
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const askId = await world.research.ask(world.question());
    await world.until('the request', () => world.home.view(subject).asks.length === 1);
    const yes = await world.yes(subject, await world.home.draft(askId, subject, null));
    isOther = true;
    world.kill('home');
    await world.clock.advance(10_000);
    await expect(world.home.accept(subject, yes)).rejects.toMatchObject({ code: 'ask-gone' });
    await world.accept(subject, askId);
  });

  it('is given by the passkey itself where it has no secret to make keys of', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    for (const count of [1, 2]) {
      const askId = await world.research.ask(world.question());
      await world.until('the request', () => world.home.view(subject).asks.length === count);
      const draft = await world.home.draft(askId, subject, null);
      const grantId = await world.home.accept(subject, await world.yesByPasskey(subject, draft));
      await world.until('the offer', () => world.research.view().grants.length === count);
      await world.again(() => world.research.buy([grantId]));
    }
    await world.until('both stand', () => world.research.view().grants.every(({ phase }) => phase === 'active'));
    const { grants, earnings } = world.home.view(subject);
    expect(grants.map(({ signing }) => signing?.keySalt)).toEqual([null, null]);
    // One purse for both: shown once.
    expect(earnings.amounts.map(({ withdrawable }) => withdrawable)).toEqual(['200', '0']);
  });

  it('needs a passkey, and a new one the leave of the one before', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const { credentialId, publicKey } = new SoftPasskey();
    const enrol = (approval: AssertionView | null) =>
      world.home.enrolPasskey(subject, { credentialId, publicKey, approval });
    await expect(enrol(null)).rejects.toMatchObject({ code: 'passkey-refused' });
    const other = world.passkeyOf(subject).answer(`0x${'00'.repeat(32)}`);
    await expect(enrol(other)).rejects.toMatchObject({ code: 'passkey-refused' });
    await enrol(world.passkeyOf(subject).answer(`0x${toHex(sha256(publicKey))}`));
    expect(world.home.view(subject).passkey?.credentialId).toBe(credentialId);
  });

  it('costs what was asked at most, less where the operator caps it, nothing for treatment', async () => {
    await using world = await MarketWorld.open({ policy: { priceMax: 150n } });
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    const askId = await world.research.ask(world.question());
    const treatment = await world.research.ask(world.question({ purpose: 'treatment/ward', price: 0n }));
    const dear = await world.research.ask(world.question({ price: 1_000n }));
    await world.until('the requests', () => world.home.view(subject).asks.length === 3);
    await expect(world.home.draft(askId, subject, 101n)).rejects.toMatchObject({ facts: { why: 'asked' } });
    await expect(world.home.draft(dear, subject, 151n)).rejects.toMatchObject({ facts: { why: 'policy' } });
    await expect(world.home.draft(treatment, subject, 1n)).rejects.toMatchObject({ facts: { why: 'treatment' } });
    expect((await world.home.draft(dear, subject, null)).price.units).toBe('150');
    expect((await world.home.draft(askId, subject, 7n)).price.units).toBe('7');
    await expect(world.home.counter(askId, subject, 151n, '')).rejects.toMatchObject({ facts: { why: 'policy' } });
  });

  it('at another price is a proposal, answered once by a request to nobody else', async () => {
    await using world = await MarketWorld.open({ patients: 2 });
    const [subject, other] = world.subjects as [string, string];
    await world.enrol(subject);
    const askId = await world.research.ask(world.question());
    await world.until('the request', () => world.home.view(subject).asks.length === 1);
    await world.home.counter(askId, subject, 500n, 'For the long drive.');
    await world.until('the proposal', () => world.research.view().asks[0]?.counters.length === 1);
    const handle = world.research.view().asks[0]?.counters[0]?.handle as string;
    await world.enrol(other);
    const { criteria: _criteria, ...question } = world.question({ price: 500n, handle });
    const again = await world.research.ask(question);
    await world.until('the answer', () => world.home.view(subject).asks.length === 2);
    await world.research.ask(question);
    await world.clock.advance(60_000);
    expect(world.home.view(subject).asks).toHaveLength(2);
    expect(world.home.view(other).asks.some(({ price }) => price.units === '500')).toBe(false);
    await world.accept(subject, again, 500n);
    await world.until('the offer', () => world.research.view().grants.length === 1);
    expect(world.research.view().grants[0]?.price.units).toBe('500');
  });
});

describe('who read what', () => {
  it('is told once a day for each grant, kept with its proof, and found under a root on the ledger', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 3600 };
    const read = () => world.again(() => world.research.read(grantId, 'readings', span));
    const told = () => world.notices.filter(({ kind }) => kind === 'read').length;
    await read();
    await read();
    await world.until('both', () => world.home.view(subject).grants[0]?.accesses === 2);
    expect(told()).toBe(1);
    await world.clock.advance(24 * 3600_000);
    await read();
    await world.until('the third', () => world.home.view(subject).grants[0]?.accesses === 3);
    await world.until('the notice', () => told() === 2);
    await world.until('roots', () => world.home.view(subject).accesses.every(({ anchor }) => anchor !== null));
    const [access] = world.home.view(subject).accesses;
    expect(access).toMatchObject({ kind: 'read', records: 1, organisation: 'Institute' });
    expect(world.home.view(subject).alarms).toEqual([]);
    world.kill('home');
    await world.until('the next life', () => world.home.view(subject).accesses.length > 0);
    expect(world.home.view(subject).accesses[0]).toEqual(access);
  });

  it('in an emergency is kept and told each time, also of who has no grant, after a read of the same day, and once', async () => {
    await using world = await MarketWorld.open({ patients: 2 });
    const [ada, bo] = world.subjects as [string, string];
    const grantId = await world.active(ada);
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 3600 };
    await world.again(() => world.research.read(grantId, 'readings', span));
    await world.until('the notice', () => world.notices.some(({ kind }) => kind === 'read'));
    const custodian = world.peer('first');
    const told = () => world.notices.filter(({ kind }) => kind === 'emergency').map(({ subject }) => subject);
    for (const subject of [ada, bo, bo]) {
      const reason = `Dr. Who: unconscious ${told().length}`;
      const emergency = { reader: world.peer('home'), subject: fromHex(subject), reason };
      const receiving = world.custodian('first').emergency(emergency);
      await world.clock.advance(1_000);
      const receipt = encodeAccessReceipt(await receiving);
      await world.home.takeEmergency({ subject, custodian, reason, receipt });
      const another = world.home.takeEmergency({ subject, custodian, reason: 'another', receipt });
      await expect(another).rejects.toMatchObject({ code: 'served-wrong' });
      const others = { subject: subject === ada ? bo : ada, custodian, reason, receipt };
      await expect(world.home.takeEmergency(others)).rejects.toMatchObject({ code: 'served-wrong' });
      await world.clock.advance(60_000); // the custodian's own word of it comes too
    }
    expect(told()).toEqual([ada, bo, bo]);
    const kinds = (subject: string) => world.home.view(subject).accesses.filter(({ kind }) => kind === 'emergency');
    expect([kinds(ada).length, kinds(bo).length]).toEqual([1, 2]);
    expect(kinds(bo)[0]).toMatchObject({ reason: 'Dr. Who: unconscious 2', organisation: 'Clinic' });
    world.kill('home');
    await world.until('the next life', () => kinds(bo).length === 2);
    await world.clock.advance(30 * 60_000);
    expect([ada, bo].flatMap((subject) => world.home.view(subject).alarms)).toEqual([]);
    await world.home.erase(bo);
    expect(kinds(bo)).toEqual([]);
    expect(told()).toHaveLength(3);
  });

  it('in an emergency is told by the custodian where the home died before it could take the receipt', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const emergency = { reader: world.peer('home'), subject: fromHex(subject), reason: 'unconscious' };
    void world.custodian('first').emergency(emergency);
    world.kill('home');
    await world.until('the notice', () => world.notices.some(({ kind }) => kind === 'emergency'));
    expect(world.home.view(subject).accesses).toMatchObject([{ kind: 'emergency', reason: 'unconscious' }]);
    const bytes = Uint8Array.of(1);
    await expect(
      world.home.takeEmergency({ subject, custodian: world.peer('first'), reason: '', receipt: bytes }),
    ).rejects.toMatchObject({ code: 'served-wrong' });
  });

  it('is no alarm in a next life because the oldest of many accesses were forgotten', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const emergency = { reader: world.peer('home'), subject: fromHex(subject), reason: 'unconscious' };
    for (let count = 0; count <= homeLimits.accessesPerGrantMax; count += 1) {
      const receiving = world.custodian('first').emergency(emergency);
      await world.clock.advance(100);
      await receiving;
    }
    await world.clock.advance(60_000);
    world.kill('home');
    await world.until('the next life', () => world.home.view(subject).accesses.length > 0);
    await world.clock.advance(30 * 60_000);
    expect(world.home.view(subject).alarms).toEqual([]);
    const { accesses } = world.home.view(subject);
    expect(accesses).toHaveLength(homeLimits.accessesShownMax);
  }, 60_000);

  it('is an alarm where a custodian shows another log to all than to the patient', async () => {
    const read = async (shown: (leaves: readonly Uint8Array[]) => readonly Uint8Array[]) => {
      await using world = await MarketWorld.open({ shown });
      const [subject] = world.subjects as [string];
      const grantId = await world.active(subject);
      const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 3600 };
      await world.again(() => world.research.read(grantId, 'readings', span));
      await world.until('the access', () => world.home.view(subject).accesses.length > 1);
      await world.clock.advance(3 * 60_000);
      return world.home.view(subject).alarms.map(({ kind }) => kind);
    };
    expect(await read((leaves) => leaves)).toEqual([]);
    expect(await read((leaves) => leaves.map((leaf, place) => (place === 0 ? leaf.toReversed() : leaf)))).toContain(
      'split-log',
    );
  });

  it('is an alarm where more was asked for than was agreed', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 25 * 3600 };
    const read = world.again(() => world.research.read(grantId, 'readings', span));
    await expect(read).rejects.toMatchObject({ code: 'access-denied', facts: { reason: 'outside-grant' } });
    await world.until('the alarm', () => world.home.view(subject).alarms.length === 1);
    expect(world.home.view(subject).alarms[0]).toMatchObject({ kind: 'denied-read', grantId });
    await world.until('the notice', () => world.notices.some(({ kind }) => kind === 'alarm'));
  });
});

describe('an end', () => {
  it('by the patient: custodians stop at once, the ledger follows, and nothing more is read', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    world.ledgerOf('home').setTrouble('away');
    await world.revoke(subject, grantId);
    await world.until('the researcher hears of it', () => world.research.view().grants[0]?.phase === 'revoked');
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 3600 };
    await expect(world.again(() => world.research.read(grantId, 'readings', span))).rejects.toMatchObject({
      code: 'access-denied',
      facts: { reason: 'revoked' },
    });
    world.ledgerOf('home').setTrouble(null);
    await world.until('the ledger', () => world.ledger.final.grant(grantId).status === 'revoked');
    expect(world.home.view(subject).grants[0]?.phase).toBe('revoked');
  });

  it('before anybody bought it: the offer is worth nothing, whoever comes first', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const { grantId } = await world.offered(subject);
    await world.revoke(subject, grantId);
    await world.until('the ledger', () => world.ledger.final.grant(grantId).status === 'revoked');
    await world.until('the researcher', () => world.research.view().grants[0]?.phase === 'revoked');
    await expect(world.research.buy([grantId])).rejects.toMatchObject({ code: 'offer-gone' });
    expect(world.ledger.final.balance(world.signer.signer, world.question().token)).toBe(0n);
  });

  it('in the moment of buying: paid back, or bought and withdrawn, never paid for nothing', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const { grantId } = await world.offered(subject);
    const bought = world.again(() => world.research.buy([grantId]));
    await world.revoke(subject, grantId);
    await bought.catch(() => {});
    await world.until('the ledger', () => world.ledger.final.grant(grantId).status === 'revoked');
    const { token } = world.question();
    const paid = -world.ledger.final.balance(world.signer.signer, token);
    expect(world.ledger.final.credit(world.signer.signer, token)).toBe(paid);
  });

  it('without a key in time is a refund', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const { grantId } = await world.offered(subject);
    world.ledgerOf('first').setTrouble('away');
    world.ledgerOf('second').setTrouble('away');
    await world.again(() => world.research.buy([grantId]));
    await world.until('paid', () => world.research.view().grants[0]?.phase === 'paid');
    await expect(world.research.refund(grantId)).rejects.toMatchObject({ code: 'grant-not-ready' });
    await world.clock.advance(25 * 3600_000);
    await world.again(() => world.research.refund(grantId));
    await world.until('refunded', () => world.research.view().grants[0]?.phase === 'refunded');
    expect(world.home.view(subject).grants[0]?.phase).toBe('refunded');
    expect(world.home.view(subject).earnings.amounts).toEqual([]);
  });

  it('by forgetting takes back a proposal that did not go out yet', async () => {
    await using world = await MarketWorld.open({ weather: { ...calmMail, delayMs: 0, lossRate: 1 } });
    const [subject] = world.subjects as [string];
    await world.enrol(subject);
    await world.research.ask(world.question());
    await world.until('the request', () => world.home.view(subject).asks.length === 1);
    const askId = world.home.view(subject).asks[0]?.askId as string;
    await world.home.counter(askId, subject, 90n, 'For the long drive.');
    await world.home.erase(subject);
    const before = world.post.sent.length;
    await world.clock.advance(3600_000);
    const later = world.post.sent.slice(before).filter(({ from }) => from === world.peer('home'));
    expect(later.length).toBeLessThanOrEqual(1); // what was on its way
  });

  it('by forgetting leaves nothing here that ties the ledger to the patient', async () => {
    await using world = await MarketWorld.open();
    const [subject] = world.subjects as [string];
    const grantId = await world.active(subject);
    await world.home.erase(subject);
    const view = world.home.view(subject);
    expect([view.grants, view.accesses, view.asks, view.passkey]).toEqual([[], [], [], null]);
    expect(view.erasedMs).toBeGreaterThan(0);
    await world.until('the custodians', () => world.custodian('first').grants + world.custodian('second').grants === 0);
    const span = { fromSeconds: world.startSeconds, untilSeconds: world.startSeconds + 3600 };
    await expect(world.again(() => world.research.read(grantId, 'readings', span))).rejects.toMatchObject({
      code: 'access-denied',
    });
    await expect(world.enrol(subject)).rejects.toMatchObject({ code: 'ask-gone' });
  });
});
