import { isAbsolute } from 'node:path';
import { languages } from '@pulsemesh/vitals/people';
import { z } from 'zod';

const absolutePath = z.string().max(4_096).refine(isAbsolute, 'must be an absolute path');
const peerId = z.string().regex(/^12D3[1-9A-HJ-NP-Za-km-z]{40,60}$/, 'must be an Ed25519 peer id');
const account = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{40}$/)]);
const hash = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)]);
const verifierKey = z
  .string()
  .max(1_024)
  .regex(/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$/, 'must be a verifier key: name+id+base64');
/** Whole units of a token, in decimal digits, because JSON has no integers that large. */
const amount = z.string().regex(/^(?:0|[1-9]\d{0,28})$/, 'must be whole units in decimal digits');
const rpcUrl = z
  .url({ protocol: /^https?$/ })
  .max(512)
  // What asks refuses them each time, and would say no more than that the network failed.
  .refine((url) => !hasCredentials(url), 'must not hold a user name or password: a key may be part of its path');

function hasCredentials(url: string): boolean {
  const { username, password } = URL.canParse(url) ? new URL(url) : { username: '', password: '' };
  return username !== '' || password !== '';
}

/** Providers of one chain that a node asks, best first. */
const urlsMax = 8;
/** Custodians of one home, and homes of one custodian. */
const custodiansMax = 16;
const homesMax = 256;

/** A chain as whoever runs it describes it to others: the file that a node with the role `ledger` writes. */
export const ledgerDescriptionSchema = z.strictObject({
  urls: z.array(rpcUrl).min(1).max(urlsMax),
  chainId: z
    .int()
    .min(1)
    .max(2 ** 48),
  contract: account,
  /** Of the consent contract's code, as `codeHashOf` makes it. */
  codeHash: hash,
  /** ERC-7913 verifiers of P-256 keys and passkeys. */
  verifiers: z.strictObject({ p256: account, webAuthn: account }),
  /** The block the contract was deployed in: events are read from there. */
  fromBlock: z.int().min(0).default(0),
  /** Whether the chain runs within a Pulsemesh node, with one sealer. */
  isEmbedded: z.boolean().default(false),
  /** What amounts of its own coin are called. */
  symbol: z.string().min(1).max(16).default('ETH'),
  decimals: z.int().min(0).max(36).default(18),
});

const chainLedger = z.strictObject({
  kind: z.literal('chain'),
  /** Where the description lies; may come into being after this node started. */
  descriptionFile: absolutePath.optional(),
  /** Or the description itself. */
  description: ledgerDescriptionSchema.optional(),
  /** Where it is reached, best first, instead of what the description says. */
  urls: z.array(rpcUrl).min(1).max(urlsMax).optional(),
  /** When a block counts as final: at once, so many blocks deep, or when the chain says so (`finalized`). */
  finality: z.union([z.literal('sealed'), z.literal('finalized'), z.int().min(1).max(1_000)]).default('finalized'),
  /** With an older head nothing is released. */
  headAgeSecondsMax: z.int().min(1).max(86_400).default(900),
  /** What the node's own account may spend of the chain's coin. Default: nothing. */
  spending: z.strictObject({ perDay: amount, inTotal: amount }).default({ perDay: '0', inTotal: '0' }),
  /** For a unit of gas, in the coin's smallest; above it steps wait. Default: no cap but what may be spent. */
  feePerGasMax: amount.optional(),
});

/** Which ledger a node follows. */
export const ledgerSchema = z
  .discriminatedUnion('kind', [chainLedger, z.strictObject({ kind: z.literal('board') })])
  .refine(
    (ledger) =>
      ledger.kind === 'board' || (ledger.descriptionFile === undefined) !== (ledger.description === undefined),
    { path: ['descriptionFile'], message: 'either descriptionFile or description' },
  );

const custodian = z.strictObject({
  peer: peerId,
  /** Its account on the ledger; on a board none is needed. */
  account,
  /** The verifier key of its access log (C2SP signed-note), as `pulsemesh ledger account` prints it. */
  logKey: verifierKey,
});

/** Where a patient's page may be opened, for passkeys: origins, and the relying party's id. */
const passkeys = z.strictObject({
  origins: z.array(z.string().min(8).max(512)).min(1).max(8),
  rpId: z.string().min(1).max(253),
});

/** What a node has to do with consent: which ledger, which board, and the offices it runs. */
export const consentSchema = z.strictObject({
  /** Under what name its key stands on the board: an organisation's. */
  organisation: z.string().min(1).max(64),
  /** The board's policy, as its operator hands it out. */
  boardFile: absolutePath,
  /** Certificates (PEM) that may sign the board's, beside the system's and the relay's. */
  boardCaFile: absolutePath.optional(),
  ledger: ledgerSchema,
  /** Whose access logs this node follows; a home deposits with each of them. */
  custodians: z.array(custodian).max(custodiansMax).default([]),
  /** The patients' side, on a gateway. */
  home: z
    .strictObject({
      /** No offer may ask for more; default no cap. */
      priceMax: amount.optional(),
      /** Cohorts smaller than this are not in the catalogue. */
      countMin: z.int().min(2).max(10_000).default(5),
      offerValidForSeconds: z.int().min(900).max(31_536_000).default(259_200),
      deliverWithinSeconds: z.int().min(1_800).max(31_536_000).default(86_400),
      /** How often the catalogue is counted again; seldom, so that comparing two says little of one person. */
      catalogueEverySeconds: z.int().min(10).max(604_800).default(86_400),
      /** Where the grants for these purposes are written for a site of learning, which reads them beside its own register. */
      grantsFile: z
        .strictObject({ file: absolutePath, purposes: z.array(z.string().min(1).max(128)).min(1).max(64) })
        .optional(),
      /** Who decides disputes. */
      arbiter: account,
      passkeys,
    })
    .optional(),
  /** For the role custodian. */
  custodian: z
    .strictObject({
      /** Homes that may deposit. */
      homes: z.array(peerId).min(1).max(homesMax),
      /** Heads of the access log go on the ledger and the board so often, or after so many leaves. */
      anchorEverySeconds: z.int().min(1).max(86_400).default(300),
      anchorCountMax: z.int().min(1).max(100_000).default(1_000),
      /** Puts each access on the ledger by itself, too. */
      logsOnLedger: z.boolean().default(false),
    })
    .optional(),
  /** For the role research. */
  research: z
    .strictObject({
      hasSigner: z.boolean().default(true),
      /** Who is mailed of what happens to its requests, by the node's own `smtp`; default nobody. */
      notify: z.strictObject({ email: z.email().max(254), language: z.enum(languages).default('en') }).optional(),
    })
    .optional(),
});

/** What a node with the role `ledger` runs: a chain of its own, with one sealer. */
export const chainSchema = z.strictObject({
  host: z.string().min(1).max(253).default('127.0.0.1'),
  /** 0 takes a free one. */
  port: z.int().min(0).max(65_535).default(8545),
  /** Different for each network: a signature for one is worth nothing on another. Default: made of the node's key. */
  chainId: z
    .int()
    .min(1)
    .max(2 ** 48)
    .optional(),
  /** Who has what of its accounting unit at the beginning, beside the treasury. */
  genesis: z
    .array(z.strictObject({ account, units: amount }))
    .max(1_000)
    .default([]),
  /** Under which others reach it; default the address it listens on. */
  url: rpcUrl.optional(),
  symbol: z.string().min(1).max(16).default('units'),
  decimals: z.int().min(0).max(36).default(18),
});

/** Which ledger, as flags say it over what a file says of consent. */
export type LedgerChoice = { readonly kind: 'board' } | { readonly kind: 'chain'; readonly [setting: string]: unknown };
export type ConsentSettings = z.output<typeof consentSchema>;
export type ChainSettings = z.output<typeof chainSchema>;
export type LedgerSettings = z.output<typeof ledgerSchema>;
export type LedgerDescription = z.output<typeof ledgerDescriptionSchema>;
