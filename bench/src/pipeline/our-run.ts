import { setTimeout as wait } from 'node:timers/promises';
import type { ApiClient } from '@pulsemesh/node';
import type { AlertView } from '@pulsemesh/node/api';
import { type LoadPlan, loadUserId } from '../load/publisher.ts';
import { type LoadMark, runLoad } from '../load/run-load.ts';
import type { OurNetwork } from './our-network.ts';

export interface ThroughputRun {
  /** Readings a second, from the first publish until each is stored twice and its window predicted. */
  readonly perSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

export interface LatencyRun {
  /** From the publish of the reading that let the tipping window close until the alert was on the page, milliseconds. */
  readonly alertMs: readonly number[];
  readonly offeredPerSecond: number;
  readonly sustainedPerSecond: number;
}

/** Event time that a window waits for late readings, milliseconds: the aggregation role's default. */
const latenessMs = 2_000;
const windowMs = 10_000;
const drainMsMax = 180_000;

/** As fast as acknowledged. */
export async function runThroughput(network: OurNetwork, plan: Omit<LoadPlan, 'url'>): Promise<ThroughputRun> {
  const before = (await network.api.overview()).counts;
  const startedAt = performance.now();
  const { result } = await runLoad({ ...plan, url: network.mqttUrl });
  // Each patient's last window waits by design for readings that do not come: it is not waited for here.
  const windows = plan.patients * (Math.floor((plan.readingsPerPatient * 1000) / windowMs) - 1);
  await untilCounted(network.api, before.readings + result.acked, before.predictions + windows);
  const seconds = (performance.now() - startedAt) / 1000;
  return { perSecond: result.acked / seconds, ackP50Ms: result.ackP50Ms, ackP99Ms: result.ackP99Ms };
}

/** At a given rate, with some hearts turning irregular. */
export async function runLatency(network: OurNetwork, plan: Omit<LoadPlan, 'url'>): Promise<LatencyRun> {
  for (let index = 0; index < plan.irregularPatients; index += 1) await registerPatient(network.api, index);
  const before = (await network.api.overview()).counts;
  const stop = new AbortController();
  const alerts = watchAlerts(network.api, stop.signal);
  const startedAt = performance.now();
  const { result, marks } = await runLoad({ ...plan, url: network.mqttUrl });
  await untilCounted(network.api, before.readings + result.acked, 0);
  const seconds = (performance.now() - startedAt) / 1000;
  await wait(5_000);
  const subjects = new Map((await network.api.patients()).map((patient) => [patient.subject, patient.userId]));
  stop.abort();
  return {
    alertMs: alertLatencies(plan, marks, await alerts, subjects),
    offeredPerSecond: result.sent / result.seconds,
    sustainedPerSecond: result.acked / seconds,
  };
}

/** Per alert: when it was seen, less when the reading was sent that let its window close. */
export function alertLatencies(
  plan: Pick<LoadPlan, 'startMs'>,
  marks: readonly LoadMark[],
  alerts: ReadonlyMap<string, { readonly alert: AlertView; readonly seenMs: number }>,
  userIds: ReadonlyMap<string, string>,
): number[] {
  const sent = new Map(marks.map(({ mark, index, wallMs }) => [`${mark}/${index}`, wallMs]));
  return [...alerts.values()].flatMap(({ alert, seenMs }) => {
    const closingIndex = (alert.raisedForMs + windowMs + latenessMs - plan.startMs) / 1000;
    const sentMs = sent.get(`${userIds.get(alert.subject)}/${Math.ceil(closingIndex)}`);
    return sentMs === undefined ? [] : [seenMs - sentMs];
  });
}

async function watchAlerts(
  api: ApiClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, { readonly alert: AlertView; readonly seenMs: number }>> {
  const seen = new Map<string, { readonly alert: AlertView; readonly seenMs: number }>();
  while (!signal.aborted) {
    try {
      for await (const event of api.live(signal)) {
        if (event.type !== 'alert' || seen.has(event.alert.alertId)) continue;
        seen.set(event.alert.alertId, { alert: event.alert, seenMs: Date.now() });
      }
    } catch (error) {
      // A listener that falls behind is dropped by the gateway; it comes back as the page does.
      if (!signal.aborted) process.stderr.write(`the feed broke (${String(error)}), again\n`);
    }
  }
  return seen;
}

async function registerPatient(api: ApiClient, index: number): Promise<void> {
  await api.registerPatient({
    userId: loadUserId(index),
    name: `Bench ${index}`,
    email: `bench-${index}@example.org`,
    language: 'en',
    doctor: null,
    tells: { patient: true, doctor: false },
    device: { kind: 'replay' },
  });
}

async function untilCounted(api: ApiClient, readings: number, predictions: number): Promise<void> {
  const deadline = performance.now() + drainMsMax;
  for (;;) {
    const { counts } = await api.overview();
    if (counts.readings >= readings && counts.predictions >= predictions) return;
    if (performance.now() > deadline) {
      throw new Error(
        `not all arrived within ${drainMsMax / 1000} s: ${counts.readings} of ${readings} readings, ${counts.predictions} of ${predictions} predictions`,
      );
    }
    await wait(200);
  }
}
