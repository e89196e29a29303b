import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { dataDirectory, watchForStop } from '@pulsemesh/node';
import { type Command, Option } from 'commander';
import { type Output, UsageError } from '../output.ts';
import { parseCount, parsePort, parseSpeed } from '../parse.ts';

interface StartFlags {
  readonly for?: number;
  readonly report?: string;
  readonly recordings?: string;
  readonly speed: number;
  readonly port?: number;
  readonly data?: string;
  readonly web?: string;
  readonly leaveDead: readonly string[];
  readonly open?: boolean;
  /** Commander's form of --no-devices. */
  readonly devices: boolean;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
}

/** `pulsemesh start`: the whole network on this machine. */
export function addStart(program: Command, output: Output, setExitCode: (code: number) => void): void {
  program
    .command('start')
    .summary('start a small network on this machine, with wearables, inbox and page')
    .description(
      'Starts a small real network on this machine: every role its own process, wearables that replay heartbeats,\n' +
        'a mail inbox, and the web page, whose address it prints. Ctrl-C stops it; started again it goes on where it was.',
    )
    .option(
      '--for <seconds>',
      'a measured run: stop so long after the first reading and recount everything',
      parseCount,
    )
    .option('--report <file>', 'with --for: write what happened to this file, as JSON')
    .option('--recordings <directory>', 'replay real recordings (default: PULSEMESH_RECORDINGS, else generated hearts)')
    .option('--speed <factor>', 'how much faster than life the wearables replay, 1 to 100', parseSpeed, 10)
    .option(
      '--port <port>',
      'where the page is served; 0 takes any free port (default: 8080, later the same again)',
      parsePort,
    )
    .option('--data <directory>', "where the data lie (default: PULSEMESH_DATA, else the user's data directory)")
    .option('--web <directory>', 'the built page (default: PULSEMESH_WEB)')
    .option('--leave-dead <process>', 'do not start this process again when it dies; may be repeated', collect, [])
    .addOption(
      new Option('--log-level <level>', 'of the logs in the data directory')
        .choices(['error', 'warn', 'info', 'debug'])
        .default('info'),
    )
    .option('--no-devices', 'no wearables of its own: only yours')
    .option('--open', 'open the page in the browser')
    .addHelpText(
      'after',
      `
Examples:
  $ pulsemesh start
  $ pulsemesh start --recordings ~/recordings/rr --speed 20
  $ pulsemesh start --for 60 --report report.json     exit code 0 only if nothing was lost or doubled
  $ pulsemesh start --data /tmp/second --port 0       a second network beside the first

A measured run starts from nothing, in a directory of its own below the data directory, unless --data names one.`,
    )
    .action(async (flags: StartFlags) => setExitCode(await start(flags, output)));
}

async function start(flags: StartFlags, output: Output): Promise<number> {
  const { processNames, runDemo, freshRunDirectory } = await import('@pulsemesh/node/demo');
  if (flags.report !== undefined && flags.for === undefined) throw new UsageError('--report needs --for');
  if (flags.for !== undefined && !flags.devices)
    throw new UsageError("--for measures the demo's own devices: leave out --no-devices");
  const unknown = flags.leaveDead.find((name) => !processNames.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no process ${unknown}: ${processNames.join(', ')}`);
  const named = flags.data === undefined ? null : resolve(flags.data);
  const clock = createSystemClock();
  const stop = watchForStop(false);
  // Once more means now: the children notice that nobody holds them any longer, and stop by themselves.
  stop.addEventListener('abort', () => process.once('SIGINT', () => process.exit(130)));
  return await runDemo(
    {
      dataDirectory: named ?? (flags.for === undefined ? dataDirectory() : freshRunDirectory(dataDirectory(), clock)),
      sharedDirectory: dataDirectory(),
      seconds: flags.for ?? null,
      reportFile: flags.report === undefined ? null : resolve(flags.report),
      recordings: recordingsDirectory(flags.recordings ?? process.env['PULSEMESH_RECORDINGS']),
      hasDevices: flags.devices,
      speed: flags.speed,
      ...(flags.port === undefined ? {} : { httpPort: flags.port }),
      webDirectory: webDirectory(flags.web ?? process.env['PULSEMESH_WEB']),
      notRestarted: flags.leaveDead,
      logLevel: flags.logLevel,
    },
    {
      clock,
      random: createSystemRandom(),
      print: (line) => output.out(line),
      stop,
      ...(flags.open ? { onPage: openBrowser } : {}),
    },
  );
}

function recordingsDirectory(named: string | undefined): string | null {
  if (named === undefined || named === '') return null;
  const directory = resolve(named);
  if (!existsSync(directory)) throw new UsageError(`there is no folder of recordings at ${directory}`);
  return directory;
}

function webDirectory(named: string | undefined): string | null {
  return named === undefined || named === '' ? null : resolve(named);
}

function collect(name: string, before: readonly string[]): readonly string[] {
  return [...before, name];
}

function openBrowser(url: string): void {
  const commands: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
    darwin: ['open', url],
    win32: ['rundll32', 'url.dll,FileProtocolHandler', url],
  };
  const [command, ...args] = commands[process.platform] ?? ['xdg-open', url];
  // No browser to be had is no reason to stop: the address is on the screen.
  spawn(command, args, { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}
