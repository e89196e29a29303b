import { z } from 'zod';

const sourceSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('recording'),
    record: z.string(),
    offsetSeconds: z.number().min(0),
    lapSeconds: z.number().positive(),
  }),
  z.object({
    kind: z.literal('generated'),
    seed: z.int(),
    hasEpisode: z.boolean(),
    lapSeconds: z.number().positive(),
  }),
]);

export const devicesSettingsSchema = z.object({
  mqttUrl: z.string(),
  speed: z.number().positive(),
  /** Time of the recordings' first second: milliseconds since 1970. */
  startMs: z.number(),
  recordings: z.string().nullable(),
  /** How far each device has come, kept over restarts. */
  stateFile: z.string(),
  /** When given, what is acknowledged is written there. */
  journalFile: z.string().nullable(),
  logFile: z.string(),
  devices: z.array(z.object({ userId: z.string(), source: sourceSchema })).max(1_000),
});

/** What the process of the demo's devices is told. */
export type DevicesSettings = z.output<typeof devicesSettingsSchema>;
