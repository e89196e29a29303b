import type { Random } from '@pulsemesh/base';

/** A connected random graph of `nodes` in which a node has `degree` neighbours on average, and none more than `most`. */
export function randomGraph(nodes: number, degree: number, most: number, random: Random): [number, number][] {
  const order = random.shuffle(Array.from({ length: nodes }, (_, index) => index));
  const neighbours = order.map(() => new Set<number>());
  const pairs: [number, number][] = [];
  const pair = (one: number, other: number) => {
    const [mine, theirs] = [neighbours[one], neighbours[other]];
    if (mine === undefined || theirs === undefined || one === other || mine.has(other)) return;
    if (mine.size >= most || theirs.size >= most) return;
    mine.add(other);
    theirs.add(one);
    pairs.push([one, other]);
  };
  for (let index = 1; index < nodes; index += 1) pair(order[index - 1] as number, order[index] as number); // below the length
  const enough = Math.min((nodes * degree) / 2, (nodes * (nodes - 1)) / 2);
  for (let tries = 0; pairs.length < enough && tries < 50 * nodes * degree; tries += 1) {
    pair(random.integer(nodes), random.integer(nodes));
  }
  return pairs;
}
