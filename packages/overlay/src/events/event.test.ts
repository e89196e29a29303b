import { createSeededRandom } from '@pulsemesh/base';
import { createSigner, generateSeed } from '@pulsemesh/crypto';
import { encodeCbor, peerIdOfEd25519 } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTopic, epochAt, epochMs } from '../topic.ts';
import { createEvent, EventTooLargeError, eventLimits, openEvent, readEventHead } from './event.ts';

const random = createSeededRandom(1);
const nowMs = Date.UTC(2026, 5, 1, 12);
const signer = createSigner(generateSeed(random));
const ward = createTopic('ward 3', new Uint8Array(32).fill(7));
const data = new TextEncoder().encode('a window of ten seconds');
const author = { signer, sequenceNumber: 2n ** 63n + 5n };

const altered = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

describe('an event', () => {
  it('is read by members as its author wrote it', () => {
    const bytes = createEvent(ward, { data, class: 'urgent', author }, nowMs, random);
    const event = openEvent(ward, bytes.slice(), 'StrictSign');
    expect(event).toMatchObject({ data, class: 'urgent', publishedAtMs: nowMs });
    expect(event?.author?.peer).toBe(peerIdOfEd25519(signer.publicKey));
    expect(event?.author?.sequenceNumber).toBe(author.sequenceNumber);
  });

  it('shows a carrier a route of the day, a class and a time, and neither author nor data', () => {
    const bytes = createEvent(ward, { data, class: 'normal', author }, nowMs, random);
    const head = readEventHead(bytes);
    expect(head).toMatchObject({ class: 'normal', publishedAtMs: nowMs });
    expect(head?.route).toEqual(ward.route(epochAt(nowMs, epochMs.ring)));
    expect(head?.route).not.toEqual(ward.route(epochAt(nowMs, epochMs.ring) + 1));
    const text = Buffer.from(bytes).toString('latin1');
    expect(text).not.toContain(Buffer.from(signer.publicKey).toString('latin1'));
    expect(text).not.toContain('window');
  });

  it('costs less than 200 bytes beside its data when signed, less than 100 when not', () => {
    const signed = createEvent(ward, { data, class: 'normal', author }, nowMs, random);
    const unsigned = createEvent(ward, { data, class: 'normal' }, nowMs, random);
    expect(signed.length - data.length).toBeLessThan(200);
    expect(unsigned.length - data.length).toBeLessThan(100);
  });

  it('is not read under another secret, nor as an open topic of the same name', () => {
    const bytes = createEvent(ward, { data, class: 'normal', author }, nowMs, random);
    for (const other of [createTopic('ward 3', new Uint8Array(32).fill(8)), createTopic('ward 3')]) {
      expect(openEvent(other, bytes.slice(), 'StrictSign')).toBeNull();
      expect(openEvent(other, bytes, 'StrictSign')).toBeNull();
      expect(openEvent(ward, bytes, 'StrictSign')).not.toBeNull();
    }
  });

  it('is refused unsigned where all are signed, and signed where none is', () => {
    const signed = createEvent(ward, { data, class: 'normal', author }, nowMs, random);
    const unsigned = createEvent(ward, { data, class: 'normal' }, nowMs, random);
    expect(openEvent(ward, signed, 'StrictNoSign')).toBeNull();
    expect(openEvent(ward, unsigned, 'StrictSign')).toBeNull();
    expect(openEvent(ward, unsigned, 'StrictNoSign')?.data).toEqual(data);
    expect(openEvent(ward, unsigned, 'StrictNoSign')?.author).toBeUndefined();
  });

  it('is refused when any byte of it is altered', () => {
    const bytes = createEvent(ward, { data, class: 'normal', author }, nowMs, random);
    for (let at = 0; at < bytes.length; at += 1) expect(openEvent(ward, altered(bytes, at), 'StrictSign')).toBeNull();
  });

  it('is refused when a member writes another author into it', () => {
    const impostor = { publicKey: signer.publicKey, sign: createSigner(generateSeed(random)).sign };
    const forged = { signer: impostor, sequenceNumber: 1n };
    const bytes = createEvent(ward, { data, class: 'normal', author: forged }, nowMs, random);
    expect(openEvent(ward, bytes, 'StrictSign')).toBeNull();
  });

  it('is refused under the route of another epoch than that of its time', () => {
    const shifted = { ...ward, route: (epoch: number) => ward.route(epoch + 1) };
    const bytes = createEvent(shifted, { data, class: 'normal', author }, nowMs, random);
    expect(openEvent(ward, bytes, 'StrictSign')).toBeNull();
  });

  it('holds as much as is allowed, and no more', () => {
    const largest = new Uint8Array(eventLimits.dataBytesMax).fill(1);
    const bytes = createEvent(ward, { data: largest, class: 'normal', author }, nowMs, random);
    expect(bytes.length).toBeLessThanOrEqual(eventLimits.bytesMax);
    expect(openEvent(ward, bytes, 'StrictSign')?.data).toHaveLength(largest.length);
    const larger = new Uint8Array(eventLimits.dataBytesMax + 1);
    expect(() => createEvent(ward, { data: larger, class: 'normal' }, nowMs, random)).toThrow(EventTooLargeError);
    expect(
      readEventHead(encodeCbor([1, new Uint8Array(16), 0, nowMs, new Uint8Array(eventLimits.bytesMax)])),
    ).toBeNull();
  });

  it('is none where the bytes are any others', () => {
    const bytes = createEvent(ward, { data, class: 'normal', author }, nowMs, random);
    const head = (value: unknown) => readEventHead(encodeCbor(value));
    expect(head([2, new Uint8Array(16), 0, nowMs, data])).toBeNull();
    expect(head([1, new Uint8Array(15), 0, nowMs, data])).toBeNull();
    expect(head([1, new Uint8Array(16), 9, nowMs, data])).toBeNull();
    expect(head([1, new Uint8Array(16), 0, -1, data])).toBeNull();
    expect(head([1, new Uint8Array(16), 0, 0.5, data])).toBeNull();
    expect(head([1, new Uint8Array(16), 0, nowMs, 'text'])).toBeNull();
    expect(openEvent(ward, encodeCbor([1, ward.route(0), 0, 0, new Uint8Array(3)]), 'StrictSign')).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: bytes.length }), (noise, at) => {
        expect(readEventHead(noise)).toBeNull();
        expect(openEvent(ward, bytes.slice(0, Math.min(at, bytes.length - 1)), 'StrictSign')).toBeNull();
      }),
    );
  });
});
