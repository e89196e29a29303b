import type { Case, Protocol, Transport } from './setting.ts';

const budgets = [10, 16, 24, 48];

/** 20 of 200 topics a node, under budgets of links; in full over TCP and with larger messages as well. */
export function manyTopicsCases(isFull: boolean): Case[] {
  const sizes: readonly (readonly [number, readonly number[], Transport])[] = [
    [50, budgets, 'memory'],
    [200, isFull ? budgets : [16, 48], 'memory'],
    ...(isFull ? ([[50, budgets, 'tcp']] as const) : []),
  ];
  return sizes.flatMap(([nodes, of, transport]) =>
    of.map((linksMax) => {
      const messagesPerSecond = 10;
      const isLarge = nodes >= 200;
      const [over, suffix] = transport === 'memory' ? ['in-memory transport', ''] : ['loopback TCP, noise', ', TCP'];
      const phase = (payloadBytes: number) => ({
        ...{ name: `${payloadBytes} B`, payloadBytes, messagesPerSecond },
        messages: messagesPerSecond * 20,
      });
      return {
        name: `20 of 200 topics, ${nodes} nodes, ${linksMax} links${suffix}`,
        conditions: `${nodes} nodes in one process, ${over}, at most ${linksMax} links a node, ${messagesPerSecond} messages/s; gossipsub in a random graph of that degree, ours from one of degree ${Math.min(10, linksMax)}`,
        protocols: protocolsAt(linksMax, isFull),
        setting: {
          ...{ transport, nodes, seed: 1, topics: 200, topicsPerNode: 20, degree: linksMax, linksMax },
          ...{ warmUpSeconds: isLarge ? 60 : 30, settleSecondsMax: isLarge ? 90 : 30, idleSeconds: 3 },
          phases: (isFull ? [200, 1_024] : [200]).map(phase),
        },
      } satisfies Case;
    }),
  );
}

/** Others carry where links are few: that is what it is for. */
function protocolsAt(linksMax: number, isFull: boolean): readonly Protocol[] {
  const carries = isFull || linksMax === 16;
  const ours = ['upsycle', ...(carries ? (['upsycle-carry'] as const) : [])] as const;
  return [...ours, ...(isFull ? (['gossipsub'] as const) : []), 'gossipsub-best'];
}
