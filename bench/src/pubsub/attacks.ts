import type { AttackKind } from '@pulsemesh/simulation';
import type { Case } from './setting.ts';

const kinds: readonly AttackKind[] = ['eclipse', 'censor', 'cold-boot', 'flash', 'silent'];

/** The attacks of gossipsub's evaluation, in real time: who carries nothing, or not what it should. */
export function attackCases(isFull: boolean): Case[] {
  const seconds = isFull ? 60 : 10;
  const sizes: readonly (readonly [number, number, readonly AttackKind[]])[] = isFull
    ? [
        [100, 100, kinds],
        [100, 400, kinds],
      ]
    : [[30, 60, kinds]];
  const messagesPerSecond = 10;
  return sizes.flatMap(([nodes, sybils, of]) =>
    of.map((kind) => ({
      name: `${kind}, ${nodes} honest, ${sybils} sybils`,
      conditions: `honest and attackers in a process each, loopback TCP without encryption, ${messagesPerSecond} messages/s of 200 B for ${seconds} s by a tenth of the honest; a sybil comes with the honest, connects to 20 of them (eclipse: to the victim), and is spared reading messages that it would only drop; CPU and memory are those of the honest`,
      protocols: isFull ? ['upsycle', 'gossipsub', 'gossipsub-best'] : ['upsycle', 'gossipsub-best'],
      setting: {
        ...{ transport: 'tcp-plain', nodes, seed: 1, topics: 1, topicsPerNode: 1, degree: 10, linksMax: 48 },
        ...{
          warmUpSeconds: isFull ? 20 : 10,
          settleSecondsMax: isFull && kind !== 'cold-boot' ? 100 : 0,
          idleSeconds: 3,
        },
        attack: { kind, sybils, atSeconds: 0 },
        phases: [
          {
            ...{ name: 'under attack', payloadBytes: 200, messagesPerSecond },
            messages: messagesPerSecond * seconds,
          },
        ],
      },
    })),
  );
}
