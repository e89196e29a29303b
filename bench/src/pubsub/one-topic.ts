import type { Case, Phase, Transport } from './setting.ts';

/** Deliveries a second in all, whatever the size of the network. */
const deliveriesPerSecond = 100;
const steadySeconds = 8;
const burstMessages = 200;
const runIn: Phase = { name: 'run-in', payloadBytes: 200, messagesPerSecond: 20, messages: 40 };

/** One topic that everybody reads. */
export function oneTopicCases(isFull: boolean): Case[] {
  const sizes: readonly (readonly [number, Transport])[] = isFull
    ? [
        [10, 'tcp'],
        [10, 'memory'],
        [50, 'tcp'],
        [50, 'memory'],
        [100, 'tcp'],
        [100, 'memory'],
      ]
    : [
        [10, 'tcp'],
        [10, 'memory'],
        [50, 'tcp'],
        [50, 'memory'],
        [100, 'tcp'],
      ];
  return sizes.map(([nodes, transport]) => ({
    name: `one topic, ${nodes} nodes, ${transport}`,
    conditions: `${nodes} nodes in one process, ${transport === 'tcp' ? 'loopback TCP, noise' : 'in-memory transport, no encryption'}, yamux, one random graph of average degree 10 at the start, all sign`,
    protocols: isFull ? ['upsycle', 'gossipsub', 'gossipsub-best'] : ['upsycle', 'gossipsub-best'],
    setting: {
      ...{ transport, nodes, seed: 1, topics: 1, topicsPerNode: 1, degree: 10, linksMax: 48 },
      // A network in use is older than the five minutes in which ours looks around at its quickest; and all nodes share this
      // machine's processors: a network of n takes n times as long to form as its nodes would.
      ...{ warmUpSeconds: nodes < 50 ? 20 : 480, settleSecondsMax: 60, idleSeconds: 4, runIn },
      phases: [...[200, 1_024].map((bytes) => steady(nodes, bytes)), ...[200, 1_024].map(burst)],
    },
  }));
}

function steady(nodes: number, payloadBytes: number): Phase {
  const messagesPerSecond = deliveriesPerSecond / (nodes - 1);
  const messages = Math.round(messagesPerSecond * steadySeconds);
  return {
    name: `${payloadBytes} B, 100 deliveries/s`,
    payloadBytes,
    messagesPerSecond,
    messages,
  };
}

function burst(payloadBytes: number): Phase {
  const name = `${payloadBytes} B, ${burstMessages} messages at once`;
  return { name, payloadBytes, messages: burstMessages };
}
