/** A process of attackers: `fork`ed by the network they attack, ended by it. */
import { once } from 'node:events';
import { multiaddr } from '@multiformats/multiaddr';
import { createSeededRandom } from '@pulsemesh/base';
import { numberOf, topicNameOf, victims } from '@pulsemesh/simulation';
import type { AttackOrder } from './attackers.ts';
import { Counting } from './counting.ts';
import { carryOnly, type Host, startHost } from './host.ts';
import { inTurns } from './in-turns.ts';
import { planOf } from './plan.ts';

/** Connections of an attacker to honest nodes: gossipsub's evaluation, `attack_degree`. */
const attackDegree = 20;

process.once('disconnect', () => process.exit(0));
const { setting, targets } = (await once(process, 'message'))[0] as AttackOrder; // from our own parent
const { protocol, transport, linksMax, attack } = setting;
const random = createSeededRandom(setting.seed + 1_000_000);
const counting = new Counting();
const censored = victims.censored(planOf(setting));
const publisherOf = new Map(planOf(setting).publications.map(({ node }, number) => [number, node]));
const hosts: Host[] = [];
await inTurns(attack?.sybils ?? 0, async (index) => {
  const keySeed = random.bytes(32);
  const host = await startHost(
    { protocol, transport, name: `sybil-${index}`, keySeed, linksMax, isBound: false },
    counting,
  );
  hosts.push(host);
  carryOnly(host, topicNameOf(0), ({ data }) => isCarried(numberOf(data) ?? 0));
  if (attack?.kind !== 'censor' && attack?.kind !== 'flash') counting.deaf.add(host.peerId.toString());
  const dials = random.shuffle(targets).slice(0, attackDegree);
  // Refused is an answer, too.
  await Promise.allSettled(dials.map((addresses) => host.dial(addresses.map((address) => multiaddr(address)))));
});
process.on('message', () => {
  for (const { peerId } of hosts) counting.deaf.add(peerId.toString());
});
process.send?.('ready');

function isCarried(number: number): boolean {
  if (attack?.kind === 'flash') return true;
  return attack?.kind === 'censor' && publisherOf.get(number % publisherOf.size) !== censored;
}
