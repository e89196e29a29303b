import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, errorMessage, type Random, sleep } from '@pulsemesh/base';
import { toHex } from '@pulsemesh/wire';
import type { AlertView } from '../api/types.ts';
import { ApiClient, GatewayRefusedError } from '../client/api-client.ts';
import { parseNodeConfig } from '../config/node-config.ts';
import { loadOrCreateToken } from '../gateway/bearer-token.ts';
import { aborted } from '../process/lifetime.ts';
import { createNodeLogger } from '../process/process-log.ts';
import { tokenFile } from '../roles/token-file.ts';
import type { ProcessSpec } from '../supervisor/supervised-process.ts';
import { Supervisor, type SupervisorEvent } from '../supervisor/supervisor.ts';
import { boardPolicy } from './board-of-demo.ts';
import { type CastMember, chooseCast } from './cast.ts';
import type { ConsentPlaySettings } from './consent-play-settings.ts';
import type { DevicesSettings } from './devices-settings.ts';
import { watchGateway } from './gateway-feed.ts';
import type { HospitalProxySettings } from './hospital-proxy-settings.ts';
import { type Installation, openInstallation, servicePorts, writeFileAtomically } from './installation.ts';
import { demoPaths, firstToStart, helpers, learners, members, stopOrder } from './layout.ts';
import { lockDataDirectory } from './lock.ts';
import { memberConfig, mqttUrl, pageUrl, researchUrl } from './member-config.ts';
import { proportionalSetBytes } from './memory.ts';
import { readPositions } from './positions.ts';
import type { ProcessReport, RunFacts, RunReport } from './report.ts';
import {
  consentLine,
  happeningLine,
  learningLine,
  movedLines,
  type Print,
  readyLines,
  reportLines,
  startingLines,
} from './screen.ts';
import { learnerSettings } from './study.ts';

export interface DemoOptions {
  /** Absolute. One demo at a time may use it. */
  readonly dataDirectory: string;
  /** Absolute. Holds what all demos of this user share: compiled code, which only makes the start faster. */
  readonly sharedDirectory: string;
  /** A measured run: stop so many seconds after the first reading, and recount. Null: until stopped. */
  readonly seconds: number | null;
  /** Where the measured run's report goes, beside the screen. */
  readonly reportFile: string | null;
  /** A folder of recordings; null: generated hearts. */
  readonly recordings: string | null;
  /** False: no wearables of its own, for people who bring theirs. */
  readonly hasDevices: boolean;
  /** How much faster than life; 1 … 100. */
  readonly speed: number;
  /** Where the page is wanted; 0: anywhere, absent: where it was. */
  readonly httpPort?: number;
  /** The built page; null: only the API. */
  readonly webDirectory: string | null;
  /** Processes that are not started again when they die. */
  readonly notRestarted: readonly string[];
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
}

export interface DemoDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly print: Print;
  /** Aborts when the demo is to stop. */
  readonly stop: AbortSignal;
  /** Told the page's address with its token once it answers. */
  readonly onPage?: (url: string) => void;
}

const drainMsMax = 30_000;
/** Nothing pending for so long, said by every process, is taken for the end. */
const drainedQuietMs = 1_500;
const devicesStopMs = 25_000;
const newsMarginMs = 60_000;
/** A measured run without a reading after so long has failed. */
const firstReadingMsMax = 180_000;

// Small heaps: a dozen processes share one machine. The young generation is kept small where little happens, because
// it is what an idle process holds on to; where readings flow, a small one costs a fifth of the time in collections.
const busyRoles: readonly string[] = ['ingest', 'aggregation', 'storage'];
const nodeFlagsOf = (name: string) =>
  busyRoles.includes(members.find((member) => member.name === name)?.role ?? '')
    ? ['--max-semi-space-size=16', '--max-old-space-size=512']
    : ['--max-semi-space-size=1', '--max-old-space-size=192'];

/**
 * Runs the whole network on this machine until stopped, or for a measured while.
 * Resolves with the exit code: 0, or 1 where a measured run does not hold together.
 * @throws {DataDirectoryInUseError}; {RecordingError}; {NoFreePortError}.
 */
export async function runDemo(options: DemoOptions, deps: DemoDependencies): Promise<number> {
  const { dataDirectory } = options;
  using _lock = lockDataDirectory(dataDirectory);
  const cast = options.hasDevices ? await chooseCast(options.recordings) : [];
  const installation = await openInstallation(dataDirectory, options.httpPort, deps);
  for (const line of startingLines({ ...options, cast, isNew: installation.isNew })) deps.print(line);
  for (const line of movedLines(installation.moved)) deps.print(line);
  await writeConfigs(options, installation, cast);
  writePlayConfig(options, installation, cast, deps);
  const demo = new Demo(options, deps, installation, cast);
  const report = await demo.run();
  if (options.seconds === null) return 0;
  return report?.isSound && report.hasDrained ? 0 : 1;
}

class Demo {
  readonly #options: DemoOptions;
  readonly #deps: DemoDependencies;
  readonly #installation: Installation;
  readonly #cast: readonly CastMember[];
  readonly #supervisor: Supervisor;
  readonly #client: ApiClient;
  readonly #token: string;
  readonly #researchToken: string;
  readonly #startedMs: number;
  /** Recording time from which on an alert is news: where the devices go on now, less a few windows. */
  readonly #newsSinceMs: number;
  readonly #firstReading = Promise.withResolvers<number>();
  /** What each process last said it still has to do; unknown counts as something. */
  readonly #pending = new Map<string, number>();
  #readingsSent = 0;
  /** What became of studies at the hospitals. */
  readonly #studies: Readonly<Record<string, unknown>>[] = [];
  #isStopping = false;

  constructor(options: DemoOptions, deps: DemoDependencies, installation: Installation, cast: readonly CastMember[]) {
    this.#options = options;
    this.#deps = deps;
    this.#installation = installation;
    this.#cast = cast;
    this.#startedMs = deps.clock.monotonicMs();
    const paths = demoPaths(options.dataDirectory);
    const furthest = Math.max(0, ...readPositions(paths.devices).values());
    this.#newsSinceMs = installation.createdMs + furthest * 1000 - newsMarginMs;
    const logger = createNodeLogger({ name: 'supervisor', log: { level: 'info', file: paths.log('supervisor') } });
    this.#supervisor = new Supervisor({}, { ...deps, logger, onEvent: (event) => this.#onEvent(event) });
    this.#token = loadOrCreateToken(tokenFile(paths.node('gateway')), deps.random);
    this.#researchToken = loadOrCreateToken(tokenFile(paths.node('research')), deps.random);
    this.#client = new ApiClient({ url: pageUrl(installation).replace('localhost', '127.0.0.1'), token: this.#token });
  }

  async run(): Promise<RunReport | null> {
    const watching = new AbortController();
    try {
      const network = this.#startNodes();
      if (!(await this.#startDevices())) return await this.#stop(null);
      const isNews = (alert: AlertView) => alert.raisedForMs >= this.#newsSinceMs;
      void watchGateway(this.#client, this.#deps.clock, watching.signal, isNews, (happening) => {
        if (happening.kind === 'first-reading') this.#firstReading.resolve(this.#elapsedMs());
        this.#say(happeningLine(happening, this.#installation));
      });
      await Promise.race([network, aborted(this.#deps.stop)]);
      if (!this.#deps.stop.aborted) this.#showReady();
      // Last: their work is for hours, and whoever waits for the page should not wait for it.
      const learning = this.#startAll(this.#cast.length >= 2 ? [...learners, helpers.play] : learners);
      const facts = await this.#measure();
      await learning;
      return await this.#stop(facts);
    } finally {
      watching.abort();
      await this.#supervisor.stopAll(stopOrder);
    }
  }

  /**
   * Starts every node and the inbox; resolves when all are up or have said why not. Bootstraps go first: a node
   * that finds nobody to join through at its start waits before it looks again.
   */
  async #startNodes(): Promise<void> {
    const names = [...members.map((member) => member.name), helpers.inbox];
    await this.#startAll(firstToStart);
    await this.#startAll(names.filter((name) => !firstToStart.includes(name)));
  }

  async #startAll(names: readonly string[]): Promise<void> {
    await Promise.all(
      names.map((name) =>
        this.#supervisor.start(this.#spec(name)).catch((error: unknown) => {
          if (!this.#isStopping) this.#say(`${errorMessage(error)}; it is tried again`);
        }),
      ),
    );
  }

  /** Registers the patients, then starts their devices. False when the demo was stopped before that. */
  async #startDevices(): Promise<boolean> {
    const { clock, stop } = this.#deps;
    if (this.#cast.length === 0) return true;
    while (!stop.aborted) {
      try {
        await this.#registerPatients();
        await this.#supervisor.start({ ...this.#spec(helpers.devices), stopMs: devicesStopMs });
        return true;
      } catch (error) {
        if (error instanceof GatewayRefusedError && !error.retryable) throw error;
      }
      await sleep(clock, 100, { signal: stop }).catch(() => {});
    }
    return false;
  }

  async #registerPatients(): Promise<void> {
    const known = new Map((await this.#client.patients()).map((patient) => [patient.userId, patient]));
    for (const { patient } of this.#cast) {
      // One that somebody has changed on the page stays as it is.
      if (!known.get(patient.userId)?.isRegistered) await this.#client.registerPatient(patient);
    }
  }

  #showReady(): void {
    const tokens = { home: this.#token, research: this.#researchToken };
    for (const line of readyLines(this.#installation, tokens, this.#elapsedMs() / 1000)) this.#deps.print(line);
    this.#deps.onPage?.(`${pageUrl(this.#installation)}/#token=${this.#token}`);
  }

  /** Waits for the end: of the measured time, or by whoever stops it. Null when nothing was to be measured. */
  async #measure(): Promise<RunFacts | null> {
    const { clock, stop } = this.#deps;
    const { seconds } = this.#options;
    if (seconds === null) {
      await aborted(stop);
      return null;
    }
    const waiting = new AbortController();
    const signal = AbortSignal.any([stop, waiting.signal]);
    const patience = sleep(clock, firstReadingMsMax, { signal }).catch(() => {});
    const firstReadingMs = await Promise.race([this.#firstReading.promise, patience]);
    waiting.abort();
    if (firstReadingMs === undefined) {
      if (!stop.aborted) this.#say(`no heartbeat arrived within ${firstReadingMsMax / 1000} s`);
      return null;
    }
    await sleep(clock, seconds * 1000, { signal: stop }).catch(() => {});
    this.#say('the devices stop, the pipeline drains');
    const { drainedMs, hasDrained } = await this.#drain();
    return {
      seconds,
      speed: this.#options.speed,
      recordings: this.#options.recordings,
      readingsSent: this.#readingsSent,
      firstReadingMs: Math.round(firstReadingMs),
      drainedMs,
      hasDrained,
      processes: this.#processes(),
      learning: this.#studies,
    };
  }

  async #drain(): Promise<{ readonly drainedMs: number; readonly hasDrained: boolean }> {
    const { clock } = this.#deps;
    const startMs = clock.monotonicMs();
    this.#isStopping = true;
    this.#drainProcesses ??= this.#processes();
    await this.#supervisor.stop(helpers.devices);
    let quietSinceMs: number | null = null;
    for (;;) {
      const nowMs = clock.monotonicMs();
      if ([...this.#pending.values()].some((count) => count > 0)) quietSinceMs = null;
      else quietSinceMs ??= nowMs;
      if (quietSinceMs !== null && nowMs - quietSinceMs >= drainedQuietMs) {
        return { drainedMs: Math.round(quietSinceMs - startMs), hasDrained: true };
      }
      if (nowMs - startMs >= drainMsMax) return { drainedMs: drainMsMax, hasDrained: false };
      await sleep(clock, 100);
    }
  }

  /** As they were when the measured time was over, the devices among them. */
  #drainProcesses: readonly ProcessReport[] | undefined;

  #processes(): readonly ProcessReport[] {
    if (this.#drainProcesses !== undefined) return this.#drainProcesses;
    const roles = new Map<string, string>(members.map(({ name, role }) => [name, role]));
    const own: ProcessReport = {
      name: 'supervisor',
      role: 'supervisor',
      pid: process.pid,
      pssBytes: proportionalSetBytes(process.pid),
      restarts: 0,
    };
    return [
      own,
      ...this.#supervisor.states().map(({ name, pid, restarts }) => ({
        name,
        role: roles.get(name) ?? name,
        pid,
        pssBytes: pid === null ? null : proportionalSetBytes(pid),
        restarts,
      })),
    ];
  }

  async #stop(facts: RunFacts | null): Promise<RunReport | null> {
    this.#isStopping = true;
    this.#say('stopping');
    await this.#supervisor.stopAll(stopOrder);
    if (facts === null) {
      this.#say('stopped');
      return null;
    }
    const { makeReport } = await import('./report.ts');
    const report = await makeReport(this.#options.dataDirectory, this.#cast, facts, this.#deps);
    const { reportFile } = this.#options;
    if (reportFile !== null) writeFileSync(reportFile, `${JSON.stringify(report, null, 2)}\n`);
    for (const line of reportLines(report, reportFile)) this.#deps.print(line);
    return report;
  }

  #spec(name: string): ProcessSpec {
    const paths = demoPaths(this.#options.dataDirectory);
    const files: Record<string, string> = {
      [helpers.inbox]: './inbox-main.ts',
      [helpers.devices]: './devices-main.ts',
      [helpers.proxy]: './hospital-proxy-main.ts',
      [helpers.play]: './consent-play-main.ts',
      ...Object.fromEntries(learners.map((learner) => [learner, '../learning/learner-main.ts'])),
    };
    return {
      name,
      module: fileURLToPath(new URL(files[name] ?? '../process/node-main.ts', import.meta.url)),
      args: [paths.config(name)],
      nodeFlags: nodeFlagsOf(name),
      // One malloc arena: several keep freed memory from each other.
      env: { NODE_COMPILE_CACHE: join(this.#options.sharedDirectory, 'compile-cache'), MALLOC_ARENA_MAX: '1' },
      // The play ends by itself; what it has not done yet the next start does.
      isRestarted: name !== helpers.play && !this.#options.notRestarted.includes(name),
    };
  }

  #onEvent(event: SupervisorEvent): void {
    const { name } = event;
    if (event.type === 'message') {
      const { message } = event;
      if (message.type === 'pending' && typeof message['count'] === 'number') this.#pending.set(name, message['count']);
      if (message.type === 'task') this.#tellLearning(name, message);
      if (message.type === 'consent') this.#say(consentLine(message['step']));
      if (message.type === 'sent' && typeof message['count'] === 'number') this.#readingsSent = message['count'];
    }
    if (event.type === 'ready' && event.isRestart) this.#say(`${name} is back (process ${event.message['pid']})`);
    if (event.type !== 'ended') return;
    if (event.restartsInMs === null) this.#pending.delete(name);
    else this.#pending.set(name, 1);
    if (this.#isStopping && event.restartsInMs === null) return;
    if (name === helpers.play && event.end.exitCode === 0) return;
    const why = event.end.signal ?? `exit ${event.end.exitCode}`;
    const last = event.end.lastWords.trim().split('\n').at(0) ?? '';
    const next = event.restartsInMs === null ? 'and is not started again' : 'and is started again';
    this.#say(`${name} ended (${why}) ${next}${last === '' ? '' : `: ${last.slice(0, 200)}`}`);
  }

  #tellLearning(name: string, message: Readonly<Record<string, unknown>>): void {
    const line = learningLine(name, message);
    if (line !== null) this.#say(line);
    if (message['happening'] === 'site-ended') this.#studies.push({ name, ...message });
  }

  #elapsedMs(): number {
    return this.#deps.clock.monotonicMs() - this.#startedMs;
  }

  #say(text: string): void {
    const time = new Date(this.#deps.clock.now()).toTimeString().slice(0, 8);
    this.#deps.print(`${time}  ${text}`);
  }
}

async function writeConfigs(
  options: DemoOptions,
  installation: Installation,
  cast: readonly CastMember[],
): Promise<void> {
  const { dataDirectory, seconds, speed, recordings } = options;
  const paths = demoPaths(dataDirectory);
  const isMeasured = seconds !== null;
  if (isMeasured) {
    // Of this run, not of an earlier one.
    rmSync(paths.run, { recursive: true, force: true });
    mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  }
  const arrivalsFile = isMeasured ? paths.arrivalsFile : null;
  for (const member of members) {
    const config = memberConfig(member, installation, { ...options, arrivalsFile });
    parseNodeConfig(config);
    writeFileAtomically(paths.config(member.name), JSON.stringify(config, null, 2));
  }
  writeFileAtomically(paths.boardPolicy, boardPolicy(installation));
  for (const name of learners) {
    const settings = await learnerSettings(name, installation, options);
    writeFileAtomically(paths.config(name), JSON.stringify(settings, null, 2));
  }
  const { ports, createdMs } = installation;
  const inbox = {
    smtpPort: ports[servicePorts.smtp],
    httpPort: ports[servicePorts.inbox],
    directory: paths.inbox,
    logFile: paths.log(helpers.inbox),
  };
  writeFileAtomically(paths.config(helpers.inbox), JSON.stringify(inbox));
  const proxy: HospitalProxySettings = {
    port: ports[servicePorts.proxy] ?? 0,
    targets: (['relay', 'board'] as const).map((owner) => ({
      port: ports[servicePorts[owner]] ?? 0,
      caFile: paths.certificate(owner, 'ca'),
    })),
    certFile: paths.certificate('proxy', 'cert'),
    keyFile: paths.certificate('proxy', 'key'),
    logFile: paths.log(helpers.proxy),
  };
  writeFileAtomically(paths.config(helpers.proxy), JSON.stringify(proxy));
  const devices: DevicesSettings = {
    mqttUrl: mqttUrl(installation),
    speed,
    startMs: createdMs,
    recordings,
    stateFile: paths.devices,
    journalFile: isMeasured ? paths.journalFile : null,
    logFile: paths.log(helpers.devices),
    devices: cast.map(({ patient, source }) => ({ userId: patient.userId, source })),
  };
  writeFileAtomically(paths.config(helpers.devices), JSON.stringify(devices));
}

/** What the play of a consent is told: the APIs of both sides, and the passkey of the demo's own patient. */
function writePlayConfig(
  { dataDirectory }: DemoOptions,
  installation: Installation,
  cast: readonly CastMember[],
  { random }: Pick<DemoDependencies, 'random'>,
): void {
  const [waiting, agreeing] = cast;
  if (waiting === undefined || agreeing === undefined) return;
  const paths = demoPaths(dataDirectory);
  if (!existsSync(paths.patientSecret)) writeFileAtomically(paths.patientSecret, toHex(random.bytes(32)));
  const placeOf = (url: string, name: string) => ({
    url: url.replace('localhost', '127.0.0.1'),
    token: loadOrCreateToken(tokenFile(paths.node(name)), random),
  });
  const settings: ConsentPlaySettings = {
    home: placeOf(pageUrl(installation), 'gateway'),
    research: placeOf(researchUrl(installation), 'research'),
    homePeer: installation.peerIds['gateway'] ?? '',
    waitingUserId: waiting.patient.userId,
    agreeingUserId: agreeing.patient.userId,
    page: { origin: pageUrl(installation), rpId: 'localhost' },
    secret: readFileSync(paths.patientSecret, 'utf8'),
    fromMs: installation.createdMs,
    logFile: paths.log(helpers.play),
  };
  writeFileAtomically(paths.config(helpers.play), JSON.stringify(settings));
}
