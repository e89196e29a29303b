import { parentPort, workerData } from 'node:worker_threads';
import { createSystemClock, errorForLog, type LogFields, type Logger, type LogLevel } from '@pulsemesh/base';
import type { Instruments } from '../chain/instruments.ts';
import { RunningChain, type RunSettings } from '../running-chain.ts';
import { faultOf } from './faults.ts';
import type { Measured, ThreadReport, ThreadRequest } from './messages.ts';
import { RecoveryThread } from './recovery-thread.ts';

// The thread of startEmbeddedChain: everything the chain does happens here. It says nothing but reports.

const port = parentPort;
if (port === null) throw new Error('this file is a worker');
const report = (said: ThreadReport) => port.postMessage(said);

function loggerTo(bound: LogFields): Logger {
  const say =
    (level: Exclude<LogLevel, 'silent'>) =>
    (message: string, fields: LogFields = {}) =>
      report({ kind: 'log', level, message, fields: { ...bound, ...fields } });
  return {
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    child: (fields) => loggerTo({ ...bound, ...fields }),
  };
}

/** What was measured since the last report: one message for all that a turn of the event loop brings. */
let measured: Measured[] = [];
const measure = (name: keyof Instruments) => (value: number) => {
  if (measured.length === 0) setImmediate(reportMeasured);
  measured.push({ name, value });
};
function reportMeasured(): void {
  report({ kind: 'measured', measured });
  measured = [];
}
const counter = (name: keyof Instruments) => ({ add: (amount = 1) => measure(name)(amount) });
const instruments: Instruments = {
  blocks: counter('blocks'),
  transactions: counter('transactions'),
  refused: counter('refused'),
  sealSeconds: { observe: measure('sealSeconds') },
};

const logger = loggerTo({});

const recoveryHelper = RecoveryThread.start();

async function run(): Promise<void> {
  const settings = workerData as RunSettings; // given by startEmbeddedChain
  const running = await RunningChain.start(settings, {
    clock: createSystemClock(),
    logger,
    instruments,
    recoveryHelper,
  });
  port?.on('message', (request: ThreadRequest) => {
    void (request.kind === 'close' ? close(running) : answer(running, request));
  });
  // Nothing more can be done here: whoever started the thread sees it end.
  void running.chain.failed.then(() => close(running));
  report({ kind: 'started', facts: running.facts });
}

async function answer(running: RunningChain, { id, method, params }: ThreadRequest & { kind: 'call' }): Promise<void> {
  report({ kind: 'answer', id, outcome: await running.call(method, params) });
}

async function close(running: RunningChain): Promise<void> {
  try {
    await running[Symbol.asyncDispose]();
  } catch (error) {
    logger.error('the ledger did not close cleanly', errorForLog(error));
  }
  report({ kind: 'closed' });
  await end();
}

/** Nothing keeps the thread alive any more. */
async function end(): Promise<void> {
  await recoveryHelper?.[Symbol.asyncDispose]();
  port?.close();
}

try {
  await run();
} catch (error) {
  report({ kind: 'not-started', fault: faultOf(error) });
  await end();
}
