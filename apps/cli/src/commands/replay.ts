import { createLogger, createSystemClock, createSystemRandom, errorMessage, sleep, startTicker } from '@pulsemesh/base';
import { watchForStop } from '@pulsemesh/node';
import type { Device } from '@pulsemesh/vitals/devices';
import type { Command } from 'commander';
import { type Output, UsageError } from '../output.ts';
import { parseList, parseSeconds, parseSpeed } from '../parse.ts';

interface ReplayFlags {
  readonly recordings: string;
  readonly mqtt: string;
  readonly speed: number;
  readonly only?: readonly string[];
  readonly from: number;
  readonly input: 'rr' | 'hr' | 'wrist';
  readonly userPrefix: string;
  readonly original?: boolean;
}

const devicesMax = 1_000;
const tellMs = 1_000;
/** Once stopped, so long for what was measured to be acknowledged; the rest is given up and the exit code is 1. */
const finishMsMax = 10_000;

/** `pulsemesh replay`: recordings as wearables. */
export function addReplay(program: Command, output: Output, setExitCode: (code: number) => void): void {
  program
    .command('replay')
    .summary('play recordings as wearables to an ingest')
    .description(
      'Plays every recording of a folder (rr.csv.gz, WFDB .atr with .hea, 1 Hz CSV) as a wearable of its own, at life speed\n' +
        'or faster, until all of it is acknowledged. Register the wearers as replays, so that the recording’s times are kept.',
    )
    .requiredOption('--recordings <directory>', 'the folder')
    .option('--mqtt <url>', 'the broker of the ingest', 'mqtt://127.0.0.1:1883')
    .option('--speed <factor>', 'how much faster than life, 1 to 100', parseSpeed, 1)
    .option('--only <list>', 'names of recordings, comma separated', parseList)
    .option('--from <seconds>', 'where in the recordings to begin', parseSeconds, 0)
    .option('--input <kind>', 'what the wearables measure: rr, hr or wrist', 'rr')
    .option('--user-prefix <text>', 'a wearer is called by this and the recording’s name', '')
    .option('--original', 'send the original message, without times and intervals')
    .addHelpText(
      'after',
      `
Example:
  $ pulsemesh replay --recordings ~/recordings/rr --only nsr001,afdb04908 --mqtt mqtt://ward-7:1883 --speed 10`,
    )
    .action(async (flags: ReplayFlags) => setExitCode(await replay(flags, output)));
}

async function replay(flags: ReplayFlags, output: Output): Promise<number> {
  if (!['rr', 'hr', 'wrist'].includes(flags.input)) throw new UsageError('--input takes rr, hr or wrist');
  const { openRecordings, seriesOf, toReadings } = await import('@pulsemesh/vitals/recordings');
  const { startDevice } = await import('@pulsemesh/vitals/devices');
  const { parseUserId } = await import('@pulsemesh/vitals/readings');
  const files = (await openRecordings(flags.recordings)).filter((file) => flags.only?.includes(file.name) ?? true);
  if (files.length === 0) throw new UsageError(`no recordings to play in ${flags.recordings}`);
  if (files.length > devicesMax) throw new UsageError(`more than ${devicesMax} recordings: choose some with --only`);
  const clock = createSystemClock();
  const deps = { clock, random: createSystemRandom(), logger: createLogger({ level: 'silent' }) };
  const startMs = clock.now();
  await using stack = new AsyncDisposableStack();
  const devices: Device[] = [];
  for (const file of files) {
    const userId = parseUserId(`${flags.userPrefix}${file.name}`);
    const points = seriesOf(await file.load(), flags.input, { fromSecond: flags.from });
    devices.push(
      stack.use(
        startDevice(
          {
            mqttUrl: flags.mqtt,
            userId,
            series: toReadings(points, { userId, startMs: startMs - flags.from * 1000 }),
            speed: flags.speed,
            form: flags.original ? 'original' : 'v1',
          },
          deps,
        ),
      ),
    );
  }
  const sum = (name: 'sent' | 'acked' | 'refused') => devices.reduce((total, one) => total + one.status()[name], 0);
  const connected = () => devices.filter((one) => one.status().isConnected).length;
  const tell = () => {
    const counts = `${sum('sent')} sent, ${sum('acked')} acknowledged, ${sum('refused')} refused`;
    const some = `${connected()} of ${devices.length} wearables connected to ${flags.mqtt}`;
    output.err(connected() === devices.length ? counts : `${counts}; ${some}`);
  };
  const telling = startTicker(clock, tellMs, tell, () => {});
  const stop = watchForStop(false);
  stop.addEventListener('abort', () => {
    void sleep(clock, finishMsMax).then(() => stack.disposeAsync());
    void Promise.all(devices.map((device) => device.finish())).catch(() => {});
  });
  const ends = await Promise.allSettled(devices.map((device) => device.finished));
  telling.stop();
  if (!stop.aborted) tell();
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) output.err(`pulsemesh: not all of it was acknowledged: ${errorMessage(failed.reason)}`);
  return failed === undefined && sum('refused') === 0 ? 0 : 1;
}
