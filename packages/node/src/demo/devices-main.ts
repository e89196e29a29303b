// The demo's wearables as a process of their own: `node devices-main.ts CONFIG.json`. When its standard input ends,
// they measure nothing more, wait until all they measured is acknowledged, and stop.
import { readFileSync } from 'node:fs';
import { createSystemClock, createSystemRandom, errorMessage, type Logger, sleep, startTicker } from '@pulsemesh/base';
import { type Device, startDevice } from '@pulsemesh/vitals/devices';
import { type Reading, readingKey, type UserId } from '@pulsemesh/vitals/readings';
import { aborted, watchForStop } from '../process/lifetime.ts';
import { createNodeLogger, stopOnBugs, writeMessage } from '../process/process-log.ts';
import { entryOf, loadSource } from './cast.ts';
import { type DevicesSettings, devicesSettingsSchema } from './devices-settings.ts';
import { writeFileAtomically } from './installation.ts';
import { openJournal } from './journal.ts';
import { playLaps } from './laps.ts';
import { readPositions } from './positions.ts';

const savePeriodMs = 1_000;
const tellPeriodMs = 250;
/** Longest wait for acknowledgements when stopping: an ingest that died meanwhile has to come back. */
const finishMsMax = 22_000;

const clock = createSystemClock();
const random = createSystemRandom();

try {
  const settings = devicesSettingsSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
  const logger = createNodeLogger({ name: 'devices', log: { level: 'info', file: settings.logFile } });
  const stop = watchForStop(true);
  stopOnBugs(logger);
  await play(settings, logger, stop);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exit(1);
}

async function play(settings: DevicesSettings, logger: Logger, stop: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const positions = readPositions(settings.stateFile);
  const journal = settings.journalFile === null ? null : stack.use(openJournal(settings.journalFile));
  const devices: Device[] = [];
  for (const { userId, source } of settings.devices) {
    const recording = await loadSource(source, settings.recordings);
    const lap = { entrySecond: entryOf(source), lapSeconds: source.lapSeconds };
    const points = playLaps(recording, lap, positions.get(userId) ?? 0);
    const onAcked = (reading: Reading, times: { readonly sentMs: number; readonly ackedMs: number }) => {
      const next = Math.round((reading.tMs - settings.startMs) / 1000) + 1;
      positions.set(userId, Math.max(positions.get(userId) ?? 0, next));
      journal?.append({ userId, key: readingKey(reading), tMs: reading.tMs, ...times });
    };
    devices.push(
      stack.use(
        startDevice(
          {
            mqttUrl: settings.mqttUrl,
            userId: userId as UserId, // of our own cast
            series: readingsOf(userId as UserId, points, settings.startMs),
            speed: settings.speed,
          },
          {
            clock,
            random,
            logger,
            onAcked,
            onRefused: (code) => logger.warn('a reading was refused', { code }),
          },
        ),
      ),
    );
  }
  const save = () => writeFileAtomically(settings.stateFile, JSON.stringify(Object.fromEntries(positions)));
  const saving = startTicker(clock, savePeriodMs, save, () => logger.warn('the positions could not be saved'));
  const telling = startTicker(
    clock,
    tellPeriodMs,
    () => tell(devices),
    () => {},
  );
  writeMessage({ type: 'ready', devices: devices.length, pid: process.pid });
  await aborted(stop);
  const patience = sleep(clock, finishMsMax);
  await Promise.race([Promise.all(devices.map((device) => device.finish())), patience]);
  saving.stop();
  telling.stop();
  save();
  tell(devices);
}

function* readingsOf(userId: UserId, points: ReturnType<typeof playLaps>, startMs: number): Generator<Reading> {
  for (const { position, heartRateBpm, rrMs } of points) {
    const tMs = startMs + position * 1000;
    yield { userId, tMs, heartRateBpm, rrMs, seq: null, confidence: null, isStamped: false };
  }
}

function tell(devices: readonly Device[]): void {
  let sent = 0;
  let waiting = 0;
  for (const device of devices) {
    const status = device.status();
    sent += status.sent;
    waiting += status.waiting;
  }
  writeMessage({ type: 'sent', count: sent });
  writeMessage({ type: 'pending', count: waiting });
}
