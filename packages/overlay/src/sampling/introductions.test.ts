import { describe, expect, it } from 'vitest';
import { descriptorOfNumber, samplingStartMs } from '../testing/sampling-network.ts';
import { type IntroductionRefusal, Introductions } from './introductions.ts';
import { peerSamplingDefaults } from './options.ts';

const nowMs = samplingStartMs;
const at = (index: number, address?: string) =>
  descriptorOfNumber(index, address === undefined ? {} : { addresses: address === '' ? [] : [address] });

function offer(introductions: Introductions, descriptor: ReturnType<typeof at>, atMs = nowMs) {
  const refusal = introductions.refusal(descriptor, atMs);
  if (refusal === null) introductions.add(descriptor, atMs);
  return refusal;
}

describe('introductions', () => {
  it('come once a minute from one peer', () => {
    const introductions = new Introductions(peerSamplingDefaults);
    expect(offer(introductions, at(1))).toBe(null);
    expect(offer(introductions, at(1))).toBe('introduced-lately');
    introductions.take(nowMs);
    expect(offer(introductions, at(1), nowMs + 59_999)).toBe('introduced-lately');
    expect(offer(introductions, at(1), nowMs + 60_000)).toBe(null);
  });

  it.each([
    ['a /24', 2, (index: number) => `/ip4/198.51.100.${index}/tcp/1`],
    ['a /48', 2, (index: number) => `/ip6/2001:db8:7:${index}::1/tcp/1`],
    ['peers without an IP', 6, () => ''],
  ])('out of %s are at most %i a round, and a flood of them does not touch the others', (_, max, address) => {
    const introductions = new Introductions(peerSamplingDefaults);
    const refusals: (IntroductionRefusal | null)[] = [];
    for (let index = 0; index < 100; index += 1) refusals.push(offer(introductions, at(index, address(index))));
    expect(refusals.filter((refusal) => refusal === null)).toHaveLength(max);
    expect(refusals.filter((refusal) => refusal === 'introduced-subnet')).toHaveLength(100 - max);
    expect(offer(introductions, at(200))).toBe(null);
    expect(introductions.take(nowMs)).toHaveLength(max + 1);
    expect(offer(introductions, at(101, address(101)))).toBe(null);
  });

  it('count in each subnet that a peer names', () => {
    const introductions = new Introductions(peerSamplingDefaults);
    const addresses = (own: number) => ['/ip4/198.51.100.1/tcp/1', `/ip4/10.9.${own}.1/tcp/1`];
    for (const index of [1, 2]) {
      expect(offer(introductions, descriptorOfNumber(index, { addresses: addresses(index) }))).toBe(null);
    }
    expect(offer(introductions, descriptorOfNumber(3, { addresses: addresses(3) }))).toBe('introduced-subnet');
  });

  it('of a round are void when there are too many, and the next round begins anew', () => {
    const introductions = new Introductions(peerSamplingDefaults);
    for (let index = 0; index < 12; index += 1) expect(offer(introductions, at(index))).toBe(null);
    expect(offer(introductions, at(12))).toBe('introduced-flood');
    expect(introductions.take(nowMs)).toEqual([]);
    expect(offer(introductions, at(13))).toBe(null);
    expect(introductions.take(nowMs)).toHaveLength(1);
  });
});
