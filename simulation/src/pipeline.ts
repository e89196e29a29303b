import { createSeededRandom, errorMessage, type Logger, sleep } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { sha256 } from '@pulsemesh/crypto';
import type { RoleName } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { createPeopleClient, openPeopleDirectory, servePeople } from '@pulsemesh/vitals/people';
import type { UserId } from '@pulsemesh/vitals/readings';
import { createRecordsClient } from '@pulsemesh/vitals/records';
import { type AggregationRole, startAggregationRole } from '@pulsemesh/vitals/roles/aggregation';
import { startNotificationRole } from '@pulsemesh/vitals/roles/notification';
import { startPredictionRole } from '@pulsemesh/vitals/roles/prediction';
import { startStorageRole } from '@pulsemesh/vitals/roles/storage';
import { type CheckResult, checkPipeline } from './check.ts';
import { irregularRateBpm, startDevice } from './device.ts';
import { drawFaults, type Fault, playFaults } from './faults.ts';
import { type HandOff, startHandOff } from './hand-off.ts';
import { type Environment, Machine } from './machine.ts';

export interface PipelineOptions {
  readonly seed: number;
  readonly patients: number;
  readonly faults: number;
  /** Recording seconds each device plays. */
  readonly recordingSeconds: number;
  /** Recording seconds per second of the virtual clock. */
  readonly speed: number;
  /** Longest one-way delay of a frame, milliseconds of the virtual clock. */
  readonly latencyMsMax: number;
  /** Probability that a channel breaks instead of delivering a frame, while faults happen. */
  readonly breakRate: number;
  /** Virtual time after the last fault in which everything must have come to rest. */
  readonly quietMsMax: number;
}

export const pipelineDefaults: Omit<PipelineOptions, 'seed'> = {
  patients: 3,
  faults: 6,
  recordingSeconds: 480,
  speed: 20,
  latencyMsMax: 20,
  breakRate: 0.0005,
  quietMsMax: 120_000,
};

export interface PipelineResult extends CheckResult {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** SHA-256 over everything that happened, in order: the same for the same seed and options. */
  readonly traceHash: string;
  readonly virtualMs: number;
}

/** Where recordings start: an hour before the clock, and not at a multiple of ten, so that the ends are partial. */
const recordingStartSeconds = 1_767_222_003;

/**
 * Runs the whole way of a reading (devices, ingest's hand-off, storage ×2, aggregation ×3, prediction ×2,
 * notification, people directory), the real roles over a seeded network, clock and disks (only MQTT's sockets are left out), lets things go wrong, waits
 * until all is at rest, and checks what is stored and who was told.
 */
export async function runPipeline(options: PipelineOptions, logger?: Logger): Promise<PipelineResult> {
  const world = new World(options, logger);
  const ended = world.run();
  let result: PipelineResult | undefined;
  let failure: unknown;
  ended.then(
    (value) => {
      result = value;
    },
    (error: unknown) => {
      failure = error ?? new Error('the simulation failed');
    },
  );
  while (result === undefined && failure === undefined) await world.clock.advance(1_000);
  if (failure !== undefined) throw failure;
  return result as PipelineResult; // one of the two is there
}

class World {
  readonly clock = new VirtualClock();
  readonly #options: PipelineOptions;
  readonly #random;
  readonly #network;
  readonly #machines: Machine[] = [];
  readonly #mails: string[] = [];
  #handOff: HandOff | undefined;
  readonly #aggregations = new Map<string, AggregationRole>();
  #breakRate = 0;
  #traceHash = new Uint8Array(32);

  constructor(options: PipelineOptions, logger: Logger | undefined) {
    this.#options = options;
    this.#random = createSeededRandom(options.seed);
    const self = this;
    const networkRandom = createSeededRandom(this.#random.integer(2 ** 32));
    this.#network = createMemoryNetwork({
      clock: this.clock,
      random: networkRandom,
      latencyMs: () => networkRandom.float() * options.latencyMsMax,
      get breakRate() {
        return self.#breakRate;
      },
    });
    const add = (name: string, roles: readonly RoleName[], start: (environment: Environment) => Promise<void>) => {
      const deps = { clock: this.clock, random: this.#random, network: this.#network };
      this.#machines.push(
        new Machine({ name, roles, start, commitMsMax: 10 }, logger === undefined ? deps : { ...deps, logger }),
      );
    };
    add('directory', ['gateway'], startDirectory);
    for (const name of ['storage1', 'storage2']) add(name, ['storage'], startStorage);
    for (const name of ['aggregation1', 'aggregation2', 'aggregation3']) {
      add(name, ['aggregation'], async (environment) => {
        this.#aggregations.set(name, await startAggregation(environment));
      });
    }
    for (const name of ['prediction1', 'prediction2']) add(name, ['prediction'], startPrediction);
    add('notification', ['notification'], (environment) => startNotification(environment, (id) => this.#mailed(id)));
    add('ingest', ['ingest'], async (environment) => {
      this.#handOff = undefined;
      this.#handOff = await startHandOff(environment);
    });
  }

  async run(): Promise<PipelineResult> {
    const patients = await this.#registerPatients();
    for (const machine of this.#machines) await machine.start();
    await sleep(this.clock, 500);
    const devices = patients.map(({ userId, isIrregular }, index) =>
      startDevice(
        {
          userId,
          seed: this.#options.seed * 1_000 + index,
          recordingSeconds: this.#options.recordingSeconds,
          speed: this.#options.speed,
          startSeconds: recordingStartSeconds,
          irregular: isIrregular ? { fromSeconds: 60, untilSeconds: this.#options.recordingSeconds } : null,
        },
        { clock: this.clock, ingest: () => (this.#machine('ingest').isRunning ? this.#handOff : undefined) },
      ),
    );
    const faults = this.#drawFaults();
    this.#breakRate = this.#options.breakRate;
    const failures: string[] = [];
    await playFaults(faults, {
      clock: this.clock,
      network: this.#network,
      machines: this.#machines,
      note: (what) => this.#note(what),
      failed: (error) => failures.push(`a machine did not start again: ${errorMessage(error)}`),
    });
    this.#breakRate = 0;
    const isAtRest = await this.#rest(() => devices.every((device) => device.isDone));
    const checked = await checkPipeline({
      stores: ['storage1', 'storage2'].map((name) => this.#machine(name).held.records),
      patients,
      acknowledged: devices.flatMap((device) => device.acknowledged),
      mails: this.#mails,
      isAtRest,
    });
    for (const reading of devices.flatMap((device) => device.acknowledged))
      this.#note(`${reading.userId}${reading.key}`);
    this.#note(JSON.stringify(checked.report));
    const traceHash = Buffer.from(this.#traceHash).toString('hex');
    const violations = [...failures, ...checked.violations];
    return { ...checked, violations, seed: this.#options.seed, faults, traceHash, virtualMs: this.clock.monotonicMs() };
  }

  #machine(name: string): Machine {
    return this.#machines.find((machine) => machine.name === name) as Machine; // names are this file's own
  }

  /** Patients are registered before the machines start; the last one is not: its readings are kept and told to nobody. */
  async #registerPatients() {
    const machine = this.#machine('directory');
    const seeds: { userId: UserId; seed: Uint8Array; isIrregular: boolean; isRegistered: boolean }[] = [];
    const random = createSeededRandom(this.#options.seed + 1);
    const directory = await openPeopleDirectory({}, { tables: machine.held.tables, box: machine.box(random), random });
    for (let index = 0; index <= this.#options.patients; index += 1) {
      const userId = `wearable-${index}` as UserId; // of the shape devices use
      const isRegistered = index < this.#options.patients;
      if (isRegistered) await directory.register(patientInput(userId, index));
      else await directory.resolve([userId]);
      const patient = directory.peek(userId);
      const facts = patient === undefined ? undefined : directory.factsOf(patient.subjectId);
      if (facts === undefined) throw new Error('the directory forgot a patient');
      seeds.push({ userId, seed: facts.seed, isIrregular: index % 2 === 0, isRegistered });
    }
    return seeds;
  }

  #drawFaults(): readonly Fault[] {
    const { faults: count, recordingSeconds, speed } = this.#options;
    const untilMs = Math.max(3_000, (recordingSeconds / speed) * 1_000);
    const cuttable = [
      ['aggregation1', 'aggregation2'],
      ['aggregation2', 'aggregation3'],
      ['aggregation1', 'aggregation3'],
      ['storage1', 'storage2'],
    ] as const;
    return drawFaults({ count, fromMs: 1_000, untilMs, forMsMax: 8_000 }, this.#machines, cuttable, this.#random);
  }

  /** Waits until nothing is left to do, but not longer than the quiet time. */
  async #rest(areDevicesDone: () => boolean): Promise<boolean> {
    const untilMs = this.clock.monotonicMs() + this.#options.quietMsMax;
    while (this.clock.monotonicMs() < untilMs) {
      await sleep(this.clock, 1_000);
      const statuses = [...this.#aggregations.values()].map((role) => role.status());
      const isWorking = statuses.some(({ openWindows, alertsWaiting }) => openWindows > 0 || alertsWaiting > 0);
      if (areDevicesDone() && this.#handOff?.pending === 0 && !isWorking) {
        // Mails and second copies follow.
        await sleep(this.clock, 10_000);
        return true;
      }
    }
    return false;
  }

  #mailed(messageId: string): void {
    this.#mails.push(messageId);
    this.#note(`mail ${messageId}`);
  }

  #note(what: string): void {
    const entry = Buffer.from(`${Buffer.from(this.#traceHash).toString('hex')} ${this.clock.monotonicMs()} ${what}`);
    this.#traceHash = Uint8Array.from(sha256(entry));
  }
}

function patientInput(userId: UserId, index: number) {
  return {
    userId,
    name: `Patient ${index}`,
    email: `patient${index}@example.org`,
    language: 'en' as const,
    doctor: { name: 'Doctor', email: `doctor${index}@example.org`, language: 'en' as const },
    tells: { patient: true, doctor: true },
    device: { kind: 'replay' as const },
  };
}

async function startDirectory(environment: Environment): Promise<void> {
  servePeople(environment.port, await openPeopleDirectory({}, environment), environment);
}

async function startStorage(environment: Environment): Promise<void> {
  await startStorageRole({}, environment);
}

function startAggregation(environment: Environment): Promise<AggregationRole> {
  const people = createPeopleClient(environment);
  const records = createRecordsClient({}, environment);
  return startAggregationRole({}, { ...environment, people, records });
}

/** A model that goes by the rate alone: what the simulated devices make irregular, it finds irregular. */
async function startPrediction(environment: Environment): Promise<void> {
  const modelId = '0123456789abcdef';
  await startPredictionRole(
    {},
    {
      ...environment,
      predictor: {
        modelId: () => modelId,
        async predict(windows) {
          return windows.map(({ startSeconds, input, readings, quality }) => {
            const sum = readings.reduce((total, reading) => total + reading.heartRateBpm, 0);
            const score = sum / Math.max(1, readings.length) > irregularRateBpm ? 0.95 : 0.05;
            return { startSeconds, input, modelId, score: quality.isUsable ? score : null };
          });
        },
      },
    },
  );
}

async function startNotification(environment: Environment, mailed: (messageId: string) => void): Promise<void> {
  const people = createPeopleClient(environment);
  const records = createRecordsClient({}, environment);
  await startNotificationRole(
    {
      from: 'pulsemesh@example.org',
      pageUrl: 'http://localhost:1',
      smtp: { host: 'localhost', port: 1, secure: false },
    },
    {
      ...environment,
      people,
      records,
      transport: {
        async send(mail) {
          await sleep(environment.clock, 20);
          mailed(mail.messageId);
        },
        close() {},
      },
    },
  );
}
