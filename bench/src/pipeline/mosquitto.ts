import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openMqttSocket } from '../load/mqtt-socket.ts';
import type { LoadPlan } from '../load/publisher.ts';
import { runLoad } from '../load/run-load.ts';
import { freePort } from '../ports.ts';

const binaries = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'];

/** What a broker alone makes of the load: messages a second until its one subscriber has them all, and PUBACK times. */
export interface BrokerRun {
  readonly perSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

/**
 * Finds Mosquitto, installing Debian's package where this process may.
 * @throws with what to do where there is none.
 */
export function findMosquitto(): string {
  const found = () => binaries.find((path) => existsSync(path));
  if (found() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const options = { stdio: 'ignore' as const, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    spawnSync('apt-get', ['update', '-qq'], options);
    // The package starts a service on 1883 where an init system runs; the bench uses its own process and port.
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'mosquitto'], options);
  }
  const binary = found();
  if (binary === undefined)
    throw new Error('The peer is missing: install Mosquitto (apt-get install mosquitto) and run again.');
  return binary;
}

/** Starts a Mosquitto of its own on a free loopback port, puts the load through it, ends it. */
export async function runMosquitto(binary: string, plan: Omit<LoadPlan, 'url'>): Promise<BrokerRun> {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-mosquitto-'));
  const port = await freePort();
  writeFileSync(
    join(directory, 'mosquitto.conf'),
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\nmax_queued_messages 0\n`,
  );
  const broker = spawn(binary, ['-c', join(directory, 'mosquitto.conf')], { stdio: 'ignore' });
  try {
    const url = `mqtt://127.0.0.1:${port}`;
    await untilListening(url);
    const total = plan.patients * plan.readingsPerPatient;
    const startedAt = performance.now();
    const received = subscribeDoingNothing(url, total);
    await received.ready;
    const { result } = await runLoad({ ...plan, url });
    await received.done;
    return {
      perSecond: total / ((performance.now() - startedAt) / 1000),
      ackP50Ms: result.ackP50Ms,
      ackP99Ms: result.ackP99Ms,
    };
  } finally {
    await stop(broker);
    rmSync(directory, { recursive: true, force: true });
  }
}

function subscribeDoingNothing(url: string, total: number): { ready: Promise<void>; done: Promise<void> } {
  const ready = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  let count = 0;
  const opened = openMqttSocket(url, 'bench-subscriber', (packet) => {
    if (packet.cmd === 'suback') return ready.resolve();
    if (packet.cmd !== 'publish') return;
    count += 1;
    void opened.then((mqtt) => {
      mqtt.write({ cmd: 'puback', messageId: packet.messageId ?? 0 });
      if (count === total) {
        mqtt.socket.destroy();
        done.resolve();
      }
    });
  });
  opened.then(
    (mqtt) => mqtt.write({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 1 }] }),
    ready.reject,
  );
  return { ready: ready.promise, done: done.promise };
}

async function untilListening(url: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      (await openMqttSocket(url, 'bench-probe', () => {})).socket.destroy();
      return;
    } catch {
      await wait(50);
    }
  }
  throw new Error('Mosquitto did not start listening within 5 s');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
