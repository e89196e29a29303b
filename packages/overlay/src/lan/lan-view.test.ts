import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import { peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSite, encodeHello, lanCapability, readHello } from './lan-hello.ts';
import { lanLimits, lanPeriods } from './lan-parameters.ts';
import type { HelloSource } from './lan-peer.ts';
import { type LanOutput, LanView, type LanViewOptions } from './lan-view.ts';

const startMs = 1_790_000_000_000;
const random = createSeededRandom(7);

function createView(options: Partial<LanViewOptions> = {}, isBeyond = false): LanView {
  return new LanView({ announces: true, ...options }, { random, isBeyond: () => isBeyond });
}

const from = (index: number, extra: Partial<HelloSource> = {}): HelloSource => ({
  family: 'ip4',
  address: `10.0.${index >> 8}.${index & 255}`,
  port: 40_000,
  isAnswer: false,
  ...extra,
});

/** A hello by a key of its own. */
function helloOf(index: number, nowMs: number, leftSeconds = 120, site?: Parameters<typeof encodeHello>[2]) {
  const expiresAtSeconds = Math.floor(nowMs / 1_000) + leftSeconds;
  const said = { port: 4_001, nonce: random.bytes(8), expiresAtSeconds, capabilities: 0 };
  return encodeHello(said, signerOf(index), site);
}

const signers = new Map<number, ReturnType<typeof createSigner>>();
function signerOf(index: number) {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, index);
  const signer = signers.get(index) ?? createSigner(seed);
  signers.set(index, signer);
  return signer;
}

/** Wakes a view whenever it is due; what it asked for, and when. */
function run(view: LanView, fromMs: number, untilMs: number) {
  const done: { readonly atMs: number; readonly output: LanOutput }[] = [];
  for (let nowMs = view.dueAtMs; nowMs <= untilMs; nowMs = Math.max(view.dueAtMs, nowMs + 1)) {
    for (const output of view.wake(Math.max(nowMs, fromMs))) done.push({ atMs: nowMs, output });
  }
  return done;
}

const kinds = (done: ReturnType<typeof run>, kind: LanOutput['kind']) =>
  done.filter(({ output }) => output.kind === kind);

describe('the view of a local network', () => {
  it('says hello three times in three seconds, then every 30 s give or take 10', () => {
    const view = createView();
    view.setPorts({ ip4: 4_001 }, startMs);
    const said = kinds(run(view, startMs, startMs + 600_000), 'announce').map(({ atMs }) => atMs - startMs);
    expect(said.filter((ms) => ms <= 3_000)).toHaveLength(lanPeriods.firstHellos);
    const gaps = said.slice(2).map((ms, index) => ms - (said[index + 1] as number));
    for (const gap of gaps.slice(1)) {
      expect(gap).toBeGreaterThanOrEqual(20_000);
      expect(gap).toBeLessThanOrEqual(40_000);
    }
    expect(new Set(gaps).size).toBeGreaterThan(5);
  });

  it('says what port it has in each family, and nothing without one or where it only listens', () => {
    const silent = createView({ announces: false });
    silent.setPorts({ ip4: 4_001 }, startMs);
    expect(run(silent, startMs, startMs + 100_000)).toEqual([]);
    const view = createView({}, true);
    view.setPorts({}, startMs);
    expect(view.dueAtMs).toBe(Number.POSITIVE_INFINITY);
    view.setPorts({ ip4: 4_001, ip6: 4_002 }, startMs);
    const hellos = kinds(run(view, startMs, startMs + 1_000), 'announce').map(({ output }) => output);
    expect(hellos.map((one) => one.kind === 'announce' && readHello(one.bytes))).toMatchObject([
      { port: 4_001, capabilities: lanCapability.beyond },
      { port: 4_002 },
    ]);
  });

  it('answers a new peer once, within a second, to it alone, with the hello it said last', () => {
    const view = createView();
    view.setPorts({ ip4: 4_001 }, startMs);
    const first = kinds(run(view, startMs, startMs + 10_000), 'announce').at(-1)?.output;
    const nowMs = startMs + 10_000;
    expect(view.receive(helloOf(1, nowMs), from(1), nowMs)).toMatchObject([{ kind: 'found' }]);
    const answers = kinds(run(view, nowMs, nowMs + 1_000), 'answer').map(({ output }) => output);
    expect(answers).toHaveLength(1);
    const [answer] = answers;
    if (answer?.kind !== 'answer' || first?.kind !== 'announce') throw new Error('it answers');
    expect(answer.to).toEqual(from(1));
    expect(answer.bytes).toEqual(first.bytes);
    expect(view.receive(helloOf(1, nowMs, 121), from(1), nowMs + 1_000)).toEqual([]);
    expect(kinds(run(view, nowMs, nowMs + 3_000), 'answer')).toEqual([]);
    // An answer is not answered.
    view.receive(helloOf(2, nowMs), from(2, { isAnswer: true }), nowMs);
    expect(kinds(run(view, nowMs, nowMs + 3_000), 'answer')).toEqual([]);
  });

  it('tells who is lost after three periods without a hello', () => {
    const view = createView({ announces: false });
    view.receive(helloOf(1, startMs), from(1), startMs);
    view.dialled(view.peers[0]?.key ?? '', peerIdOfEd25519(signerOf(99).publicKey), startMs);
    view.receive(helloOf(1, startMs + 100_000), from(1), startMs + 100_000);
    expect(kinds(run(view, startMs, startMs + 219_999), 'lost')).toEqual([]);
    expect(kinds(run(view, startMs, startMs + 220_000), 'lost')).toHaveLength(1);
    expect(view.peers).toEqual([]);
    expect(view.dueAtMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('grows silent in proportion above 200 peers', () => {
    const view = createView();
    view.setPorts({ ip4: 4_001 }, startMs);
    for (let index = 0; index < 400; index += 1) view.receive(helloOf(index, startMs), from(index), startMs);
    expect(view.peers).toHaveLength(400);
    const nowMs = startMs + 10_000;
    run(view, startMs, nowMs);
    const hellosMs = kinds(run(view, nowMs, nowMs + 200_000), 'announce').map(({ atMs }) => atMs);
    const [firstMs = 0, secondMs = 0] = hellosMs;
    expect(secondMs - firstMs).toBeGreaterThanOrEqual(40_000);
    expect(secondMs - firstMs).toBeLessThanOrEqual(80_000);
  });

  it('dials who says hello; of two who both do, the one with the smaller key at once and the other only later', () => {
    const listener = createView({ announces: false });
    listener.receive(helloOf(1, startMs), from(1), startMs);
    expect(listener.wake(startMs)).toMatchObject([{ kind: 'dial', peer: undefined, spots: [{ port: 4_001 }] }]);
    const waits = [1, 2, 3, 4, 5, 6, 7, 8].map((index) => {
      const view = createView();
      view.setPorts({ ip4: 1 }, startMs);
      view.receive(helloOf(index, startMs), from(index), startMs);
      const [dial] = kinds(run(view, startMs, startMs + 10_000), 'dial');
      const isSmaller = view.key < toHex(signerOf(index).publicKey);
      expect((dial?.atMs ?? 0) - startMs >= lanPeriods.yieldMs === !isSmaller).toBe(true);
      return isSmaller;
    });
    expect(new Set(waits).size).toBe(2);
  });

  it('tries again who could not be dialled, ever more seldom, and not who was met', () => {
    const view = createView({ announces: false });
    view.receive(helloOf(1, startMs), from(1), startMs);
    const { key = '' } = view.peers[0] ?? {};
    const dialsMs: number[] = [];
    for (let nowMs = startMs; nowMs < startMs + 3_600_000; nowMs += 1_000) {
      if (nowMs % 60_000 === 0) view.receive(helloOf(1, nowMs), from(1), nowMs);
      if (!view.wake(nowMs).some(({ kind }) => kind === 'dial')) continue;
      dialsMs.push(nowMs);
      view.dialled(key, null, nowMs);
    }
    expect(dialsMs.length).toBeGreaterThan(7);
    expect(dialsMs.length).toBeLessThan(20);
    view.dialled(key, peerIdOfEd25519(signerOf(1).publicKey), startMs);
    expect(view.peers[0]?.peer).toBe(peerIdOfEd25519(signerOf(1).publicKey));
    expect(kinds(run(view, startMs + 3_600_000, startMs + 3_650_000), 'dial')).toEqual([]);
  });

  it('dials again who says hello from elsewhere', () => {
    const view = createView({ announces: false });
    view.receive(helloOf(1, startMs), from(1), startMs);
    view.wake(startMs);
    view.dialled(view.peers[0]?.key ?? '', peerIdOfEd25519(signerOf(1).publicKey), startMs);
    view.receive(helloOf(1, startMs, 130), from(2), startMs + 1_000);
    expect(view.wake(startMs + 1_000)).toMatchObject([{ kind: 'dial', spots: [{ address: from(2).address }] }]);
    expect(view.peers).toHaveLength(1);
  });

  it('within a site signs with the node’s key, knows who it dials, and hears the site’s hellos only', () => {
    const keys = createSite(random.bytes(32));
    const view = createView({ site: { keys, signer: signerOf(50) } });
    expect(view.key).toBe(toHex(signerOf(50).publicKey));
    view.receive(helloOf(1, startMs), from(1), startMs);
    view.receive(helloOf(2, startMs, 120, createSite(random.bytes(32))), from(2), startMs);
    expect(view.peers).toEqual([]);
    expect(view.refusals.get('other-site')).toBe(2);
    view.receive(helloOf(3, startMs, 120, keys), from(3), startMs);
    const [dial] = kinds(run(view, startMs, startMs + 10_000), 'dial').map(({ output }) => output);
    expect(dial).toMatchObject({ peer: peerIdOfEd25519(signerOf(3).publicKey) });
  });

  it('says nothing by which two days, two networks or the node’s identity could be linked', () => {
    const seen = (view: LanView, untilMs: number) =>
      kinds(run(view, startMs, untilMs), 'announce').flatMap(({ output }) =>
        output.kind === 'announce' ? [readHello(output.bytes)] : [],
      );
    const [one, other] = [createView(), createView()];
    for (const view of [one, other]) view.setPorts({ ip4: 4_001 }, startMs);
    const ofOne = seen(one, startMs + lanPeriods.keyMs);
    const keys = new Set(ofOne.map((hello) => toHex(hello?.publicKey ?? new Uint8Array(0))));
    expect(keys.size).toBe(2);
    const nonces = new Set(ofOne.map((hello) => toHex(hello?.nonce ?? new Uint8Array(0))));
    expect(nonces.size).toBe(ofOne.length);
    for (const hello of seen(other, startMs + 10_000))
      expect(keys).not.toContain(toHex(hello?.publicKey ?? random.bytes(32)));
  });
});

describe('hostile hellos', () => {
  it('that are forged, expired, far ahead, repeated, oversized, our own or no hellos change nothing', () => {
    const view = createView();
    view.setPorts({ ip4: 4_001 }, startMs);
    const own = kinds(run(view, startMs, startMs + 1_000), 'announce')[0]?.output;
    const good = helloOf(1, startMs);
    const forged = good.slice();
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    const refused = [
      [forged, 'forged'],
      [helloOf(1, startMs, 0), 'expired'],
      [helloOf(1, startMs, lanLimits.lifetimeSecondsMax + lanLimits.clockSkewSecondsMax + 1), 'too-far-ahead'],
      [new Uint8Array(lanLimits.helloBytesMax + 1), 'oversized'],
      [new Uint8Array(100), 'malformed'],
      [own?.kind === 'announce' ? own.bytes : good, 'own'],
    ] as const;
    for (const [bytes, reason] of refused) {
      expect(view.receive(bytes, from(1), startMs)).toEqual([]);
      expect(view.refusals.get(reason)).toBe(1);
    }
    expect(view.peers).toEqual([]);
    view.receive(good, from(1), startMs);
    // Sent again from elsewhere, it does not draw the peer there.
    expect(view.receive(good, from(2), startMs + 1)).toEqual([]);
    expect(view.receive(good, from(2, { family: 'ip6', address: 'fe80::2' }), startMs + 1)).toEqual([]);
    expect(view.refusals.get('repeated')).toBe(2);
    expect(view.peers[0]?.spots).toMatchObject([{ address: from(1).address }]);
  });

  it('from one address are heard so many times a minute, and stand for so many peers', () => {
    const view = createView();
    for (let index = 0; index < lanLimits.hellosPerAddressPerMinute + 5; index += 1) {
      view.receive(helloOf(index, startMs), from(1), startMs);
    }
    expect(view.peers).toHaveLength(lanLimits.peersPerAddressMax);
    expect(view.refusals.get('too-often')).toBe(5);
    expect(view.refusals.get('too-many-of-one')).toBe(
      lanLimits.hellosPerAddressPerMinute - lanLimits.peersPerAddressMax,
    );
    view.receive(helloOf(500, startMs), from(2), startMs);
    expect(view.peers).toHaveLength(lanLimits.peersPerAddressMax + 1);
  });

  it('from everywhere neither grow the view past its limit nor bring more dials and answers than allowed', () => {
    const view = createView();
    view.setPorts({ ip4: 4_001 }, startMs);
    run(view, startMs, startMs + 5_000);
    const nowMs = startMs + 5_000;
    const count = lanLimits.peersMax + 10;
    for (let index = 0; index < count; index += 1) view.receive(helloOf(index, nowMs), from(index), nowMs);
    expect(view.peers).toHaveLength(lanLimits.peersMax);
    expect(view.refusals.get('full')).toBe(10);
    const done = run(view, nowMs, nowMs + 30_000);
    expect(kinds(done, 'answer')).toHaveLength(lanLimits.answersWaitingMax);
    expect(kinds(done, 'dial').length).toBeLessThanOrEqual(lanLimits.dialsPerMinute * 1.5);
    // Whoever could not be dialled gives way to somebody new.
    for (const { output } of kinds(done, 'dial')) if (output.kind === 'dial') view.dialled(output.key, null, nowMs);
    expect(view.receive(helloOf(count, nowMs), from(count), nowMs)).toMatchObject([{ kind: 'found' }]);
    expect(view.peers).toHaveLength(lanLimits.peersMax);
  });

  it('from a thousand made-up addresses keep nobody from being dialled for long', () => {
    const view = createView();
    view.setPorts({ ip4: 4_001 }, startMs);
    const honest = 5_000;
    let dialledAtMs = Number.POSITIVE_INFINITY;
    // Made-up ones are kept fresh, and fail; the honest one comes last, when all of them wait to be dialled.
    for (
      let nowMs = startMs;
      nowMs < startMs + 20 * 60_000 && dialledAtMs === Number.POSITIVE_INFINITY;
      nowMs += 1_000
    ) {
      const second = (nowMs - startMs) / 1_000;
      for (let hello = 0; hello < 8; hello += 1) {
        const index = (second * 8 + hello) % (lanLimits.peersMax - 24);
        view.receive(helloOf(index, nowMs), from(index), nowMs);
      }
      if (second % 30 === 0 && second >= 150) view.receive(helloOf(honest, nowMs), from(honest), nowMs);
      for (const output of view.wake(nowMs)) {
        if (output.kind !== 'dial') continue;
        if (output.spots[0]?.address === from(honest).address) dialledAtMs = nowMs;
        else view.dialled(output.key, null, nowMs);
      }
    }
    expect(dialledAtMs - startMs).toBeLessThan(10 * 60_000);
  });

  it('cost no more than so many signature checks a minute', () => {
    const view = createView();
    const forged = helloOf(1, startMs);
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    for (let index = 0; index < lanLimits.checksPerMinute + 3; index += 1) {
      view.receive(forged, from(index), startMs);
    }
    expect(view.refusals.get('forged')).toBe(lanLimits.checksPerMinute);
    expect(view.refusals.get('too-busy')).toBe(3);
  });

  it('of any kind are lived through', () => {
    const view = createView();
    view.setPorts({ ip4: 4_001, ip6: 4_002 }, startMs);
    const hello = fc.tuple(fc.nat(40), fc.nat(300)).map(([index, left]) => helloOf(index, startMs, left - 50));
    const source = fc.record<HelloSource>({
      family: fc.constantFrom('ip4', 'ip6'),
      address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'fe80::1', ''),
      port: fc.nat(65_535),
      isAnswer: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.oneof(hello, fc.uint8Array({ maxLength: 220 })), source, fc.nat(200_000), (bytes, to, laterMs) => {
        view.receive(bytes, to, startMs + laterMs);
        view.wake(startMs + laterMs);
        const addresses = view.peers.flatMap(({ spots }) => spots.map(({ address }) => address));
        for (const address of new Set(addresses)) {
          const there = addresses.filter((one) => one === address);
          expect(there.length).toBeLessThanOrEqual(lanLimits.peersPerAddressMax);
        }
      }),
      { numRuns: 300 },
    );
  });
});
