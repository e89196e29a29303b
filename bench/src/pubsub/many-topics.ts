import type { Case } from './setting.ts';

const budgets = [10, 16, 24, 48];

/** 20 of 200 topics a node, under budgets of links. */
export function manyTopicsCases(isFull: boolean): Case[] {
  const sizes = isFull ? [50, 200] : [50];
  return sizes.flatMap((nodes) =>
    (isFull ? budgets : [10, 24]).map((linksMax) => {
      const seconds = isFull ? 20 : 10;
      const messagesPerSecond = 10;
      return {
        name: `20 of 200 topics, ${nodes} nodes, ${linksMax} links`,
        conditions: `${nodes} nodes in one process, in-memory transport, at most ${linksMax} links a node, 200 B, ${messagesPerSecond} messages/s; gossipsub in a random graph of that degree, ours from one of degree ${Math.min(10, linksMax)}`,
        protocols: ['upsycle', 'upsycle-carry', 'gossipsub-best'],
        setting: {
          ...{ transport: 'memory', nodes, seed: 1, topics: 200, topicsPerNode: 20, degree: linksMax, linksMax },
          ...{ warmUpSeconds: nodes >= 200 ? 240 : 60, idleSeconds: 5 },
          phases: [{ name: '200 B', payloadBytes: 200, messagesPerSecond, messages: messagesPerSecond * seconds }],
        },
      } satisfies Case;
    }),
  );
}
