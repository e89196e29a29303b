import { z } from 'zod';

export const hospitalProxySettingsSchema = z.object({
  port: z.int().min(0).max(65_535),
  /** Servers of this machine that it lets its clients reach. */
  targets: z.array(z.object({ port: z.int().min(1).max(65_535), caFile: z.string() })),
  certFile: z.string(),
  keyFile: z.string(),
  logFile: z.string(),
});

/** What the proxy of the demo's hospital is told. */
export type HospitalProxySettings = z.output<typeof hospitalProxySettingsSchema>;
