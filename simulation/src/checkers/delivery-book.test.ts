import { describe, expect, it } from 'vitest';
import { DeliveryBook } from './delivery-book.ts';

const promise = { withinMs: 1_000, ratioMin: 0.9, settledMs: 500 };

/** Four nodes, of which 0, 1 and 2 read topic 0; all up from the beginning. */
function open() {
  const book = new DeliveryBook(promise, 4, [[0, 1, 2], [3]]);
  for (let node = 0; node < 4; node += 1) book.cameUp(node, 0);
  book.published(7, 0, 0, 2_000);
  return book;
}

describe('DeliveryBook', () => {
  it('is content when every live reader but the publisher was served once', () => {
    const book = open();
    book.delivered(1, 7, 2_030, 1);
    book.delivered(2, 7, 2_060, 2);
    book.delivered(0, 7, 2_060, 2); // the publisher hears itself
    expect(book.close(10_000)).toMatchObject({
      messages: 1,
      expected: 2,
      served: 2,
      ratio: 1,
      late: 0,
      violations: [],
    });
    expect(book.hops.max).toBe(2);
    expect(book.latencyMs.max).toBe(60);
  });

  it.each([
    ['misses one', (book: DeliveryBook) => book.delivered(1, 7, 2_030, 1), '1 of 2 deliveries'],
    ['is served twice', (book: DeliveryBook) => serve(book, [1, 2, 2]), 'of what had been delivered'],
    ['does not read the topic', (book: DeliveryBook) => serve(book, [1, 2, 3]), 'do not read the topic'],
    ['hears what nobody published', (book: DeliveryBook) => serve(book, [1, 2], 8), 'nobody published'],
    ['is served late', (book: DeliveryBook) => serve(book, [1, 2], 7, 4_000), 'came after 1000 ms'],
  ])('reports that a node %s', (_what, happen, said) => {
    const book = open();
    happen(book);
    expect(book.close(10_000).violations.join('; ')).toContain(said);
  });

  it('expects nothing of who was down, went down meanwhile, or has just come up', () => {
    for (const [downMs, upMs, expected] of [
      [1_000, null, 1],
      [2_500, null, 1],
      [1_000, 1_600, 1],
      [1_000, 1_500, 2],
      [3_100, null, 2],
    ] as const) {
      const book = open();
      book.wentDown(2, downMs);
      if (upMs !== null) book.cameUp(2, upMs);
      expect(book.close(10_000).expected).toBe(expected);
    }
  });

  it('expects nowhere what went down with its publisher before anybody had it, and everywhere what one had', () => {
    for (const [downMs, served, expected] of [
      [2_000, [], 0],
      [2_900, [], 0],
      [3_100, [], 2],
      [2_000, [1], 2],
    ] as const) {
      const book = open();
      book.wentDown(0, downMs);
      serve(book, served);
      expect(book.close(10_000).expected).toBe(expected);
    }
  });

  it('lets a process that started anew be given again what an earlier one was given', () => {
    const book = open();
    serve(book, [1, 2]);
    book.wentDown(2, 4_000);
    book.cameUp(2, 5_000);
    serve(book, [2], 7, 5_500);
    expect(book.close(10_000)).toMatchObject({ delivered: 2, late: 0, violations: [] });
    serve(book, [2], 7, 5_600);
    expect(book.close(10_000).violations.join()).toContain('of what had been delivered');
  });

  it('shows deliveries over time', () => {
    const book = open();
    serve(book, [1, 2]);
    book.published(9, 0, 1, 5_500);
    expect(book.close(9_000).overTime).toEqual([
      { second: 2, expected: 2, served: 2 },
      { second: 5, expected: 2, served: 0 },
    ]);
  });
});

function serve(book: DeliveryBook, nodes: readonly number[], number = 7, atMs = 2_100): void {
  for (const node of nodes) book.delivered(node, number, atMs, 1);
}
