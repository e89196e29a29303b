import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { relayClientSchema } from '../config/relay-settings.ts';
import { dataQuerySchema } from './data-query.ts';

const absolutePath = z.string().max(4_096).refine(isAbsolute, 'must be an absolute path');

const placeSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('folder'),
    directory: absolutePath,
    share: z
      .strictObject({
        index: z.int().min(0).max(999),
        of: z.int().min(1).max(1_000),
        patientsMax: z.int().min(1).max(100_000),
      })
      .nullable()
      .default(null),
  }),
  z.strictObject({ kind: z.literal('csv'), directory: absolutePath, query: dataQuerySchema }),
  z.strictObject({ kind: z.literal('generated'), seed: z.int().min(0), patients: z.int().min(2).max(1_000) }),
]);

/** What a site brings to learning tasks, and on what terms. */
export const siteSettingsSchema = z.strictObject({
  /** Where its labelled recordings lie, or its tables and what they mean. */
  records: placeSchema,
  /** Its register of consents: who is not in it, or withdrew, takes no part. */
  consentsFile: absolutePath,
  /** Grants on the ledger beside it, as a home's node writes them (`consent.home.grantsFile`). */
  grantsFile: absolutePath.optional(),
  /** Over one task, and over all of a purpose; null: no limit, which tasks without noise need. */
  epsilonMax: z.number().positive().max(1_000).nullable().default(8),
  roundsMax: z.int().min(1).max(10_000).default(100),
  /** Below it the site sits a round out. */
  patientsMin: z.int().min(1).max(1_000_000).default(3),
  /** Parties that this site knows to be others than each other: so many of them must be in a sum beside it. Default: whoever is invited. */
  company: z
    .strictObject({ known: z.array(z.string().max(128)).max(1_000), least: z.int().min(1).max(1_000) })
    .refine(({ known, least }) => new Set(known).size >= least, 'as many must be known as there must be')
    .optional(),
  /** `models` folders of its prediction nodes; a learned model that is no worse goes there by itself. */
  models: z.array(absolutePath).max(16).default([]),
  /** How much worse, as area under the curve on its own records, it may be. */
  tolerance: z.number().min(0).max(0.5).default(0.01),
});

/** A party of learning as a process of its own. */
export const learnerSettingsSchema = z.strictObject({
  name: z.string().min(1).max(63),
  organisation: z.string().min(1).max(64),
  dataDirectory: absolutePath,
  keyFile: absolutePath,
  relay: relayClientSchema,
  /** The board's policy, as its operator hands it out. */
  boardFile: absolutePath,
  /** Certificates (PEM) that may sign the board's, beside the system's and the relay's. */
  boardCaFile: absolutePath.optional(),
  /** Absent: brings no data. */
  site: siteSettingsSchema.optional(),
  /** Task ids to join; `invited`: every task that invites this key by name, or anybody. */
  joins: z.union([z.literal('invited'), z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(1_000)]).default('invited'),
  /** Sums the tasks that name this party as aggregator. */
  aggregates: z.boolean().default(true),
  /** A rhythm training to publish, unless this party has published a task already. */
  publishes: z
    .strictObject({
      title: z.string().min(1).max(200),
      invited: z.array(z.string().max(128)).min(2).max(100),
      rounds: z.int().min(1).max(1_000),
      localEpochs: z.int().min(1).max(100),
      stepMs: z
        .int()
        .min(1_000)
        .max(7 * 86_400_000),
      withinMs: z
        .int()
        .min(1_000)
        .max(90 * 86_400_000),
      seed: z.int().min(0),
    })
    .optional(),
  logFile: absolutePath.optional(),
});

export type SiteSettings = z.output<typeof siteSettingsSchema>;
export type SiteSettingsInput = z.input<typeof siteSettingsSchema>;
export type LearnerSettings = z.output<typeof learnerSettingsSchema>;
export type LearnerSettingsInput = z.input<typeof learnerSettingsSchema>;
