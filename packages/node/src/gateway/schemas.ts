import { z } from 'zod';
import * as api from '../api/types.ts';

// One schema per shape of the API: it checks what comes in, and describes in OpenAPI what goes out. That the
// schemas say the same as `api/types.ts` is checked by the compiler at the end of this file.

const subject = z.string().regex(/^[0-9a-f]{32}$/);
const alertId = z.string().regex(/^[0-9a-f]{32}$/);
const timeMs = z.number().describe('milliseconds since 1970 (UTC)');
const language = z.enum(['en', 'de', 'fr']);
const email = z.string().min(3).max(254);
const personName = z.string().min(1).max(200);
const score = z.number().min(0).max(1).nullable();

const doctor = z.strictObject({ name: personName, email, language }).nullable();
const tells = z.strictObject({ patient: z.boolean(), doctor: z.boolean() });
const device = z.strictObject({ kind: z.enum(['live', 'replay']) });

export const patientInput = z
  .strictObject({
    userId: z.string().min(1).max(128).describe('what the wearable calls its wearer'),
    name: personName,
    email,
    language,
    doctor,
    tells,
    device,
  })
  .meta({ title: 'PatientInput' });

export const acknowledgeInput = z
  .strictObject({ by: z.string().min(1).max(200).describe('who acknowledges, as shown to others') })
  .meta({ title: 'AcknowledgeInput' });

export const subjectParams = z.strictObject({ subject });
export const alertParams = z.strictObject({ alertId });

/** The widest span of history that one request may ask for: a day. */
export const historySpanMsMax = 24 * 60 * 60 * 1000;
export const spanQuery = z.strictObject({
  fromMs: z.number().min(0).describe('inclusive'),
  untilMs: z.number().min(0).describe('exclusive; at most a day after fromMs'),
});
export const liveQuery = z.strictObject({ token: z.string().max(256).optional() });

export const patientView = z
  .object({
    subject,
    userId: z.string(),
    isRegistered: z.boolean(),
    name: z.string().nullable(),
    email: z.string().nullable(),
    language: language.nullable(),
    doctor,
    tells,
    device,
    lastReadingMs: timeMs.nullable(),
    lastArrivalMs: timeMs.nullable(),
  })
  .meta({ title: 'PatientView' });

export const liveReading = z
  .object({ subject, tMs: timeMs, heartRateBpm: z.number(), rrMs: z.array(z.number()) })
  .meta({ title: 'LiveReading' });

export const windowView = z
  .object({
    subject,
    startMs: timeMs,
    readingCount: z.int(),
    missingSeconds: z.int(),
    isUsable: z.boolean(),
    score: score.describe('null when not usable or not yet predicted'),
  })
  .meta({ title: 'WindowView' });

export const alertView = z
  .object({
    alertId,
    subject,
    patientName: z.string().nullable(),
    kind: z.literal('irregular-rhythm'),
    episodeStartMs: timeMs,
    raisedForMs: timeMs,
    resolvedMs: timeMs.nullable(),
    notifiedCount: z.int(),
    acknowledged: z.object({ by: z.string(), atMs: timeMs }).nullable(),
  })
  .meta({ title: 'AlertView' });

export const moveInput = z
  .strictObject({ transport: z.enum(api.relayTransports).describe('where the session shall run') })
  .meta({ title: 'MoveInput' });
const peerId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{40,64}$/);
export const relaySessionParams = z.strictObject({ peerId, relay: peerId });

export const relaySessionView = z
  .object({
    relay: z.string().describe('peer id of the relay'),
    url: z.string(),
    state: z.enum(['connecting', 'up', 'closed']),
    transport: z.string().nullable().describe('what it runs on now'),
    rttMs: z.number().nullable(),
    migrations: z.int(),
    isIntercepted: z.boolean().nullable().describe('true: somebody in between opens the TLS'),
    tls: z.string().nullable(),
    proxy: z.string().nullable(),
  })
  .meta({ title: 'RelaySessionView' });

export const networkView = z
  .object({
    self: z.string(),
    peers: z.array(
      z.object({
        peerId: z.string(),
        roles: z.array(z.string()),
        pid: z.int(),
        addresses: z.array(z.string()),
        startedMs: timeMs,
        isAlive: z.boolean(),
        connections: z.array(z.string()),
        patientCount: z.int().nullable(),
        rssBytes: z.number().nullable(),
        isFirewalled: z.boolean(),
        relays: z.array(relaySessionView),
      }),
    ),
  })
  .meta({ title: 'NetworkView' });

export const overview = z
  .object({
    name: z.string(),
    version: z.string(),
    startedMs: timeMs,
    nowMs: timeMs,
    replaySpeed: z.number().nullable(),
    inboxUrl: z.string().nullable(),
    counts: z.object({
      readings: z.int(),
      windows: z.int(),
      predictions: z.int(),
      alertsOpen: z.int(),
      notifications: z.int(),
    }),
    disclaimer: z.string(),
  })
  .meta({ title: 'Overview' });

export const boardAnswer = z
  .object({
    board: z
      .object({
        key: z.string().describe('verifier key of the board, as C2SP signed-note writes it'),
        witnesses: z.array(z.string()).describe('verifier keys of its witnesses'),
        quorum: z.int().describe('how many of them must have cosigned'),
        authorities: z.array(z.string()).describe('peers that may revoke keys of others'),
      })
      .nullable(),
  })
  .meta({ title: 'BoardAnswer' });

export const patientsAnswer = z.object({ patients: z.array(patientView) });
export const readingsAnswer = z.object({ readings: z.array(liveReading) });
export const windowsAnswer = z.object({ windows: z.array(windowView) });
export const alertsAnswer = z.object({ alerts: z.array(alertView) });
export const healthAnswer = z.object({ status: z.literal('up') });
export const errorAnswer = z
  .object({ code: z.string().describe('stable, for programs'), message: z.string().describe('for people') })
  .meta({ title: 'Error' });

/** What Fastify checks with and OpenAPI shows. */
export function jsonSchema(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return rest;
}

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
const _schemasMatchTypes: readonly true[] = [
  true satisfies Same<z.infer<typeof patientInput>, Mutable<api.PatientInput>>,
  true satisfies Same<z.infer<typeof patientView>, Mutable<api.PatientView>>,
  true satisfies Same<z.infer<typeof liveReading>, Mutable<api.LiveReading>>,
  true satisfies Same<z.infer<typeof windowView>, Mutable<api.WindowView>>,
  true satisfies Same<z.infer<typeof alertView>, Mutable<api.AlertView>>,
  true satisfies Same<z.infer<typeof moveInput>, Mutable<api.MoveInput>>,
  true satisfies Same<z.infer<typeof relaySessionView>, Mutable<api.RelaySessionView>>,
  true satisfies Same<z.infer<typeof networkView>, Mutable<api.NetworkView>>,
  true satisfies Same<z.infer<typeof overview>, Mutable<api.Overview>>,
  true satisfies Same<z.infer<typeof boardAnswer>, Mutable<api.BoardAnswerView>>,
];
