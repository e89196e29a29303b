import type { Case, Protocol } from './setting.ts';

const budgets = [10, 16, 24, 48];

/** 20 of 200 topics a node, under budgets of links. */
export function manyTopicsCases(isFull: boolean): Case[] {
  const sizes: readonly (readonly [number, readonly number[]])[] = [
    [50, budgets],
    [200, isFull ? budgets : [16, 48]],
  ];
  return sizes.flatMap(([nodes, of]) =>
    of.map((linksMax) => {
      const messagesPerSecond = 10;
      const isLarge = nodes >= 200;
      return {
        name: `20 of 200 topics, ${nodes} nodes, ${linksMax} links`,
        conditions: `${nodes} nodes in one process, in-memory transport, at most ${linksMax} links a node, 200 B, ${messagesPerSecond} messages/s; gossipsub in a random graph of that degree, ours from one of degree ${Math.min(10, linksMax)}`,
        protocols: protocolsAt(linksMax, isFull),
        setting: {
          ...{ transport: 'memory', nodes, seed: 1, topics: 200, topicsPerNode: 20, degree: linksMax, linksMax },
          ...{ warmUpSeconds: isLarge ? 60 : 30, settleSecondsMax: isLarge ? 90 : 30, idleSeconds: 3 },
          phases: [{ name: '200 B', payloadBytes: 200, messagesPerSecond, messages: messagesPerSecond * 20 }],
        },
      } satisfies Case;
    }),
  );
}

/** Others carry where links are few: that is what it is for. */
function protocolsAt(linksMax: number, isFull: boolean): readonly Protocol[] {
  const carries = isFull || linksMax === 16;
  return ['upsycle', ...(carries ? (['upsycle-carry'] as const) : []), 'gossipsub-best'];
}
