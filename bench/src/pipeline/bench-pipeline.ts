import type { LoadPlan } from '../load/publisher.ts';
import { type BenchLine, benchLine, median, percentile } from '../report.ts';
import { findMosquitto, runMosquitto } from './mosquitto.ts';
import { startOurNetwork } from './our-network.ts';
import { runLatency, runThroughput } from './our-run.ts';

const peerName = 'Mosquitto, one subscriber that does nothing';
const runs = 3;
const patients = 1_000;
/** Rate of the latency run: this share of the measured throughput, at most the aim of 10,000 readings/s. */
const loadShare = 0.6;
const rateMax = 10_000;
/** Recording time starts in the past, so that a load faster than life stays within the clock-skew limit. */
const pastMs = 6 * 3_600_000;

type Plan = Omit<LoadPlan, 'url'>;

function planOf(changes: Partial<Plan>): Plan {
  return {
    topic: 'pulsemesh/vitals',
    connections: 40,
    inFlightMax: 25,
    patients,
    readingsPerPatient: 200,
    startMs: 0,
    seqFrom: 0,
    ratePerSecond: 0,
    irregularPatients: 0,
    irregularFrom: 0,
    ...changes,
  };
}

/** MQTT in, stored twice, windowed, predicted, alerted; beside a bare broker under the same load. */
export async function benchPipeline(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const mosquitto = findMosquitto();
  const start = Math.floor((Date.now() - pastMs) / 10_000) * 10_000;
  say('the network comes up');
  await using network = await startOurNetwork();
  const idleBytes = await network.memoryBytes();
  const ours = [];
  const peer = [];
  for (let run = 0; run < runs; run += 1) {
    // Each run goes on in time where the last one ended: a reading that was seen before would be none.
    const plan = planOf({ startMs: start + run * 600_000, seqFrom: run * 1_000_000 });
    ours.push(await runThroughput(network, plan));
    say(`run ${run + 1} of ${runs}: ours ${ours.at(-1)?.perSecond.toFixed(0)} readings/s`);
    peer.push(await runMosquitto(mosquitto, plan));
    say(`run ${run + 1} of ${runs}: the bare broker ${peer.at(-1)?.perSecond.toFixed(0)} messages/s`);
  }
  const loadedBytes = await network.memoryBytes();
  // Below what can be sustained: above it every queue fills, and the latency says how long the run was.
  const ratePerSecond = Math.round(Math.min(rateMax, loadShare * median(ours.map((run) => run.perSecond))));
  say(`latency at ${ratePerSecond} readings/s`);
  const latencyPlan = planOf({
    startMs: start + 4_000_000,
    seqFrom: 9_000_000,
    readingsPerPatient: 400,
    ratePerSecond,
    irregularPatients: 50,
    irregularFrom: 60,
  });
  const latency = await runLatency(network, latencyPlan);
  const cores = 'load generator, broker and all roles on the same machine';
  const conditions = `${patients} patients, 200 readings each, QoS 1, ${cores}; ours stored on two peers, windowed and predicted, each patient's last window aside`;
  const what = (metric: string, unit: string, text = conditions) => ({
    bench: 'pipeline',
    metric,
    unit,
    peerName,
    conditions: text,
  });
  const offered = `offered ${latency.offeredPerSecond.toFixed(0)} readings/s, 400 per patient, ${latency.alertMs.length} alerts; ${cores}`;
  return [
    benchLine(
      what('throughput', 'readings/s'),
      ours.map((run) => run.perSecond),
      peer.map((run) => run.perSecond),
    ),
    benchLine(
      what('puback-p50', 'ms'),
      ours.map((run) => run.ackP50Ms),
      peer.map((run) => run.ackP50Ms),
    ),
    benchLine(
      what('puback-p99', 'ms'),
      ours.map((run) => run.ackP99Ms),
      peer.map((run) => run.ackP99Ms),
    ),
    benchLine(what('sustained', 'readings/s', offered), [latency.sustainedPerSecond], []),
    benchLine(what('reading-to-alert-p50', 'ms', offered), [percentile(latency.alertMs, 0.5)], []),
    benchLine(what('reading-to-alert-p99', 'ms', offered), [percentile(latency.alertMs, 0.99)], []),
    benchLine(
      what('memory-per-1000-patients', 'MiB', 'all processes, proportional set size, after the load less before'),
      [((loadedBytes - idleBytes) / 2 ** 20 / patients) * 1_000],
      [],
    ),
  ];
}
