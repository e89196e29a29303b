import { z } from 'zod';

/** Circuit relays one node keeps a place at; as many as the network takes. */
export const circuitRelaysMax = 8;

/** Bounds of the overlay's settings: those of the overlay itself, spelt out because the supervisor does without loading it. */
export const overlayBounds = {
  epsilon: { min: 0.25, max: 20, default: 3 },
  linksMax: { min: 8, max: 1_000, default: 48 },
} as const;

const { epsilon, linksMax } = overlayBounds;

/** How this node takes part in the overlay, where that carries publish/subscribe. */
export const overlaySchema = z.strictObject({
  /**
   * The privacy parameter ε of one interest filter: what strangers may learn of the topics this node reads. Smaller tells
   * less, and finds peers of like interests less well; `describeEpsilon` says in words what a value means.
   */
  epsilon: z
    .number()
    .min(epsilon.min, `ε is ${epsilon.min} … ${epsilon.max}`)
    .max(epsilon.max, `ε is ${epsilon.min} … ${epsilon.max}`)
    .default(epsilon.default),
  /** Connections the overlay keeps. */
  linksMax: z.int().min(linksMax.min).max(linksMax.max).default(linksMax.default),
  /** Carry sealed events of others' topics where asked to: costs traffic, helps where nodes have few connections. */
  carry: z.boolean().default(false),
});

const circuitRelay = z
  .string()
  .max(512)
  .regex(/^\/.+\/p2p\/[1-9A-HJ-NP-Za-km-z]{40,64}$/, 'must be a multiaddr that ends in /p2p/ and the peer id');

/** What libp2p offers against address translation. */
export const natSchema = z.strictObject({
  /** Ask peers whether the public addresses of this node can be dialled; they learn those addresses. */
  autonat: z.boolean().default(false),
  /** `client`: keep a place at each of `relays`. `server`: give places to the peers of `allow`. */
  circuitRelay: z.enum(['off', 'client', 'server']).default('off'),
  /** Multiaddrs of circuit relays, with their peer ids. */
  relays: z.array(circuitRelay).max(circuitRelaysMax).default([]),
  /** Replace connections through a circuit relay by direct ones, where a peer can be dialled from outside. */
  holePunching: z.boolean().default(false),
});
