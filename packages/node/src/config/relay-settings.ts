import { isAbsolute } from 'node:path';
import { z } from 'zod';

const absolutePath = z.string().max(4_096).refine(isAbsolute, 'must be an absolute path');
const peerId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{40,64}$/, 'must be a peer id');

/** Relays one node may be a client of; as many as a peer announces. */
export const relaysMax = 4;

const proxyUrl = z
  .url({ protocol: /^https?$/ })
  .refine(
    (text) => URL.canParse(text) && new URL(text).username === '' && new URL(text).password === '',
    'must not hold a password: put it into proxyCredentialsFile',
  );

/** A relay this node is a client of. */
export const relayClientSchema = z.strictObject({
  /** Where the relay listens, as seen from here: `https://relay.example`. */
  url: z.url({ protocol: /^https?$/ }).max(512),
  /** The relay's key: whoever else answers is refused. */
  peerId,
  /** The proxy to go through; default: what the environment says. */
  proxy: proxyUrl.optional(),
  /** A file with `user:password` for the proxy. */
  proxyCredentialsFile: absolutePath.optional(),
  /** Certificates (PEM) that may sign the relay's, or those of a proxy that opens TLS, beside the system's. */
  caFile: absolutePath.optional(),
  /** A file with the invitation that lets this node in. */
  invitationFile: absolutePath.optional(),
  /** Certificates (PEM, own first) from the identity authority. */
  certificateFile: absolutePath.optional(),
});

/** What a node with the role `relay` serves. */
export const relayServiceSchema = z.strictObject({
  host: z.string().min(1).max(253).default('127.0.0.1'),
  /** True: whoever reaches it may use it. Needed where it listens beyond this machine and nobody is named who may. */
  open: z.boolean().optional(),
  /** 0 takes a free one. */
  port: z.int().min(0).max(65_535).default(8443),
  /** Where mailboxes are kept; default: LMDB in the data directory. */
  engine: z
    .string()
    .max(2_048)
    .regex(/^(postgres|postgresql|nats):\/\//, 'must be postgres://… or nats://…')
    .optional(),
  /** Takes an engine although a power cut can take away what it acknowledged. */
  unsafeDurability: z.boolean().optional(),
  /** PEM files, read again when they change. Without: plaintext, for a terminating load balancer on the same machine. */
  tls: z.strictObject({ certFile: absolutePath, keyFile: absolutePath }).optional(),
});

export type RelayClientSettings = z.output<typeof relayClientSchema>;
export type RelayServiceSettings = z.output<typeof relayServiceSchema>;
